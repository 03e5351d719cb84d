"""From a frame's bytes to what NumPy and Pillow call an image. Both are imported when they are first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing
    from PIL import Image

    from . import Blank, Frame

    _Array = numpy.typing.NDArray[Any]


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise ImportError(
            "arrays of frames need NumPy (pip install numpy); frame.data shows the bytes without it"
        ) from error
    return numpy


def _image() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("images of frames need Pillow (pip install pillow)") from error
    return Image


def array(frame: Frame) -> _Array:
    """The pixels, read-only and not copied. The array refers to a memoryview, and that to the hold."""
    pixels: _Array = _numpy().asarray(memoryview(frame))
    return pixels


def blank(blank: Blank) -> _Array:
    """The pixels to be filled, writable. The array refers to a memoryview, and that to the segment."""
    pixels: _Array = _numpy().asarray(memoryview(blank))
    return pixels


def as_array(frame: Frame, dtype: Any = None, copy: bool | None = None) -> _Array:
    """What NumPy asks of objects that are like arrays."""
    pixels: _Array = frame.array
    if dtype is not None and pixels.dtype != dtype:
        if copy is False:
            raise ValueError(f"a frame of {pixels.dtype} becomes {dtype} by copying only")
        return pixels.astype(dtype)
    return pixels.copy() if copy else pixels


def copy(frame: Frame) -> _Array:
    """The pixels as an array of its own."""
    pixels: _Array = _numpy().array(frame.array, order="C")
    return pixels


def unpack(frame: Frame) -> _Array:
    """The pixels as an array of its own, whatever the format."""
    numpy = _numpy()
    values = frame._unpacked()
    if values is None:
        return copy(frame)
    pixels: _Array = numpy.frombuffer(values, dtype="<u2").reshape(frame.height, frame.width)
    return pixels


def dlpack_copy(frame: Frame, max_version: tuple[int, int] | None, dl_device: tuple[int, int] | None) -> Any:
    """A DLPack capsule of a copy."""
    if dl_device not in (None, frame.__dlpack_device__()):
        raise BufferError("a copy of a frame lies in the memory of the CPU; move the tensor from there")
    pixels = copy(frame)
    try:
        return pixels.__dlpack__(max_version=max_version)
    except TypeError:  # NumPy before 2.1
        return pixels.__dlpack__()


def to_pil(frame: Frame) -> Image.Image:
    """An image of its own."""
    samples = frame.pixel_format.samples
    size = (frame.width, frame.height)
    if samples is None:
        raise ValueError(f"nothing is known about pixel format {frame.pixel_format} but its code: use frame.data")
    if samples in ("YUYV", "UYVY"):
        return _from_422(frame, samples)
    pixels = unpack(frame)
    image: Image.Image
    if samples == "Mono" or samples.startswith("Bayer"):
        mode = "L" if pixels.dtype == "uint8" else "I;16"
        image = _image().frombytes(mode, size, pixels.tobytes())
    else:
        eight_bits = pixels if pixels.dtype == "uint8" else (pixels >> 8).astype("uint8")
        mode = samples.replace("BGR", "RGB")
        image = _image().frombytes(mode, size, eight_bits.tobytes(), "raw", samples)
    return image


def _from_422(frame: Frame, order: str) -> Image.Image:
    """Two pixels share one pair of chroma values, by ITU-R BT.601 in full range, which Pillow's YCbCr is."""
    numpy = _numpy()
    pixels = frame.array
    luma, chroma = (0, 1) if order == "YUYV" else (1, 0)
    first = numpy.arange(frame.width) // 2 * 2
    # The last pixel of an odd row has no second chroma value of its own.
    second = numpy.minimum(first + 1, frame.width - 1)
    planes = [pixels[:, :, luma], pixels[:, first, chroma], pixels[:, second, chroma]]
    bands = [_image().fromarray(numpy.ascontiguousarray(plane)) for plane in planes]
    image: Image.Image = _image().merge("YCbCr", bands).convert("RGB")
    return image

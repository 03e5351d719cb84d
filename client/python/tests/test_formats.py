"""Goal: every byte of every format arrives as it was sent, in an array of the right shape. Method: the test pattern of
a real broker, at sizes with and without a row that ends in the middle of a byte."""

from __future__ import annotations

import numpy as np
import pattern
import pytest
from conftest import StartBroker
from framebroker import PixelFormat

FORMATS = PixelFormat.all()
SIZES = [(24, 5), (23, 7)]


@pytest.mark.parametrize("width,height", SIZES)
@pytest.mark.parametrize("pixel_format", FORMATS, ids=str)
def test_every_byte(start_broker: StartBroker, pixel_format: PixelFormat, width: int, height: int) -> None:
    name = pixel_format.name
    process = start_broker("--pixel-format", name, "--width", width, "--height", height, "--fps", 100)
    with process.connect() as broker, broker.subscribe("cam0") as subscription:
        for _ in range(3):
            with subscription.next(10) as frame:
                assert frame.pixel_format == pixel_format and (frame.width, frame.height) == (width, height)
                assert frame.nbytes == pixel_format.image_bytes(width, height) == len(frame.data)
                check(frame, pixel_format)


def check(frame, pixel_format: PixelFormat) -> None:  # type: ignore[no-untyped-def]
    name, bits, width, height = frame.pixel_format.name, pixel_format.significant_bits, frame.width, frame.height
    array = frame.array
    assert array.dtype == pixel_format.dtype and array.shape == frame.shape and not array.flags.writeable
    if pixel_format.is_packed:
        assert np.array_equal(array, pattern.ramp(frame.nbytes, frame.sequence))
        expected = pattern.unpacked(name, bits, bytes(frame.data), width * height).reshape(height, width)
    elif "422" in name:
        expected = pattern.ramp(frame.nbytes, frame.sequence).reshape(height, width, 2)
        assert np.array_equal(array, expected)
    else:
        expected = pattern.image(name, bits, pixel_format.channels, width, height, frame.sequence)
        expected = expected[:, :, 0] if pixel_format.channels == 1 else expected
        assert np.array_equal(array, expected)
    values = frame.unpack()
    assert values.dtype == pixel_format.unpacked_dtype and values.flags.writeable
    assert np.array_equal(values, expected)
    assert np.array_equal(frame.copy(), array) and frame.copy().flags.writeable
    assert bytes(frame.data) == frame.copy().tobytes()
    view = memoryview(frame)
    assert view.readonly and view.format == array.dtype.char and view.shape == array.shape == frame.shape
    assert np.shares_memory(np.asarray(frame), array) and np.shares_memory(np.asarray(frame.data), array)


def test_formats_by_name_and_code() -> None:
    mono = PixelFormat("mono8")
    assert mono == PixelFormat(0x0108_0001) == PixelFormat(mono) and hash(mono) == hash(PixelFormat("Mono8"))
    assert (mono.name, mono.code, str(mono), repr(mono)) == ("Mono8", 0x0108_0001, "Mono8", "PixelFormat('Mono8')")
    assert mono != PixelFormat("Mono16") and mono != "Mono8"
    assert (mono.bits_per_pixel, mono.significant_bits, mono.channels, mono.samples) == (8, 8, 1, "Mono")
    packed = PixelFormat("BayerRG10p")
    assert packed.is_packed and (packed.dtype, packed.unpacked_dtype) == ("uint8", "uint16")
    assert (packed.samples, packed.significant_bits, packed.image_bytes(4, 1)) == ("BayerRG", 10, 5)
    assert (PixelFormat("BGRa8").samples, PixelFormat("RGB16").channels) == ("BGRA", 3)
    unknown = PixelFormat(0x010E_7777)
    assert not unknown.is_known and unknown.samples is None and unknown.name == "0x010E7777"
    assert PixelFormat(0x0100_7777).image_bytes(4, 1) is None
    assert len(set(FORMATS)) == len(FORMATS) > 40


@pytest.mark.parametrize(
    "given,error", [("Mono9", ValueError), (-1, TypeError), (1 << 32, TypeError), (None, TypeError)]
)
def test_what_is_no_format(given: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        PixelFormat(given)  # type: ignore[arg-type]

"""A Basler camera: which, with which settings, and what its frames are like."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

from .. import Error, PixelFormat
from ._pypylon import GenicamError, pylon, said

_MOST_NAMES = 400


class CameraError(Error):
    """A camera is not there, or does not do what was asked."""


@dataclass(frozen=True)
class Settings:
    """What is set before grabbing. ``None`` leaves the camera's own."""

    load: str | None = None
    features: tuple[tuple[str, str], ...] = field(default=())
    width: int | None = None
    height: int | None = None
    pixel_format: str | None = None
    fps: float | None = None


@dataclass(frozen=True)
class Description:
    """A camera, and what its frames are like."""

    model: str
    serial: str
    width: int
    height: int
    pixel_format: PixelFormat
    payload_bytes: int
    fps: float | None


def found() -> list[tuple[str, str, str]]:
    """Serial number, model and device class of every camera that pylon finds."""
    devices = pylon.TlFactory.GetInstance().EnumerateDevices()
    return [(d.GetSerialNumber(), f"{d.GetVendorName()} {d.GetModelName()}", d.GetDeviceClass()) for d in devices]


def opened(serial: str | None, settings: Settings) -> Any:
    """Opens the camera with this serial number, or the first, and sets what is to be set.

    Raises :class:`CameraError`, which lists what there is.
    """
    factory = pylon.TlFactory.GetInstance()
    devices = factory.EnumerateDevices()
    if not devices:
        raise CameraError(
            "pylon finds no camera: is it connected, and its network interface up? (PYLON_CAMEMU=1 emulates one)"
        )
    device = next((device for device in devices if serial in (None, device.GetSerialNumber())), None)
    if device is None:
        there = ", ".join(f"{number} ({model})" for number, model, _ in found())
        raise CameraError(f"there is no camera with serial number {serial}; there is {there}")
    try:
        camera = pylon.InstantCamera(factory.CreateDevice(device))
        camera.Open()
    except GenicamError as error:
        raise CameraError(
            f"cannot open camera {device.GetSerialNumber()}: {said(error)} (is it open in another program?)"
        ) from error
    try:
        apply(camera, settings)
    except BaseException:
        camera.Close()
        raise
    return camera


def apply(camera: Any, settings: Settings) -> None:
    """Sets what is to be set, in this order: file, pixel format, size, features by name, frame rate."""
    if settings.load is not None:
        try:
            pylon.FeaturePersistence.Load(settings.load, camera.GetNodeMap(), True)
        except GenicamError as error:
            raise CameraError(f"cannot load {settings.load}: {said(error)}") from error
    if settings.pixel_format is not None:
        set_feature(camera, "PixelFormat", _own_name(camera, settings.pixel_format))
    for name, offset, pixels in (("Width", "OffsetX", settings.width), ("Height", "OffsetY", settings.height)):
        if pixels is None:
            continue
        node = camera.GetNodeMap().GetNode(offset)
        if node.IsWritable() and pixels > camera.GetNodeMap().GetNode(name).Max:
            node.SetToMinimum()
        set_feature(camera, name, str(pixels))
    for name, value in settings.features:
        set_feature(camera, name, value)
    if settings.fps is not None:
        _set_fps(camera, settings.fps)


def set_feature(camera: Any, name: str, value: str) -> None:
    """Sets a feature by its name; a command is executed, whatever the value.

    Raises :class:`CameraError`: which features, values or limits there are.
    """
    nodes = camera.GetNodeMap()
    node = nodes.GetNode(name)
    if not node.IsValid():
        names = writable(camera)
        near = difflib.get_close_matches(name, names, 3, 0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise CameraError(f"this camera has no feature {name}{hint} It has {', '.join(names)}")
    if not node.IsWritable():
        raise CameraError(f"feature {name} cannot be written now (it is {node.ToStringOrDefault('not readable')})")
    try:
        if hasattr(node, "Execute"):
            node.Execute()
        else:
            node.FromString(value)
    except GenicamError as error:
        raise CameraError(f"feature {name} cannot be {value}: {_choices(node) or said(error)}") from error


def _choices(node: Any) -> str:
    if hasattr(node, "GetSettableValues"):
        return f"there is {', '.join(node.GetSettableValues())}"
    if hasattr(node, "Max"):
        step = f" in steps of {node.Inc}" if hasattr(node, "Inc") and node.Inc != 1 else ""
        return f"it goes from {node.Min} to {node.Max}{step}"
    return ""


def writable(camera: Any) -> list[str]:
    """Names of all features that can be set now."""
    nodes = camera.GetNodeMap()
    names = (node.GetNode().GetName() for node in nodes.GetNodes() if node.GetNode().IsFeature())
    return sorted(name for name in names if nodes.GetNode(name).IsWritable())[:_MOST_NAMES]


def _own_name(camera: Any, name: str) -> str:
    """The camera's name of a pixel format: older ones say ``RGB8Packed`` for ``RGB8``."""
    node = camera.GetNodeMap().GetNode("PixelFormat")
    values = node.GetSettableValues() if node.IsValid() else ()
    if name in values:
        return name
    try:
        wanted = PixelFormat(name).code
    except ValueError:
        return name
    return next((value for value in values if _code(value) == wanted), name)


def _code(name: str) -> int:
    """The PFNC code for a camera's name of a pixel format; 0 if there is none."""
    wanted = f"pixeltype_{name}".casefold()
    for attribute in dir(pylon):
        if attribute.casefold() == wanted:
            return int(getattr(pylon, attribute)) & 0xFFFFFFFF
    try:
        return PixelFormat(name).code
    except ValueError:
        return 0


def _set_fps(camera: Any, fps: float) -> None:
    nodes = camera.GetNodeMap()
    enable = nodes.GetNode("AcquisitionFrameRateEnable")
    if enable.IsWritable():
        enable.FromString("1")
    names = [name for name in ("AcquisitionFrameRate", "AcquisitionFrameRateAbs") if nodes.GetNode(name).IsWritable()]
    if not names:
        raise CameraError("this camera has no frame rate that can be set; leave --fps out")
    set_feature(camera, names[0], str(fps))


def described(camera: Any) -> Description:
    """What a camera's frames are like now."""
    nodes, device = camera.GetNodeMap(), camera.GetDeviceInfo()
    name = nodes.GetNode("PixelFormat").ToString()
    code = _code(name)
    if not code:
        raise CameraError(f"pixel format {name} has no code that other programs know; set another with --pixel-format")
    compression = nodes.GetNode("ImageCompressionMode")
    if compression.IsReadable() and compression.ToString() != "Off":
        raise CameraError("compressed images are not what other programs expect: --set ImageCompressionMode=Off")
    rates = (nodes.GetNode(rate) for rate in ("ResultingFrameRate", "ResultingFrameRateAbs"))
    return Description(
        model=f"{device.GetVendorName()} {device.GetModelName()}",
        serial=device.GetSerialNumber(),
        width=int(nodes.GetNode("Width").Value),
        height=int(nodes.GetNode("Height").Value),
        pixel_format=PixelFormat(code),
        payload_bytes=int(nodes.GetNode("PayloadSize").Value),
        fps=next((float(rate.Value) for rate in rates if rate.IsReadable() and rate.Value > 0), None),
    )

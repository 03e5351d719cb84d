"""What a grab result of pylon's says, as :meth:`Producer.publish` takes it."""

from __future__ import annotations

from typing import Any

_NO_BLOCK_ID = 2**64 - 1
_NS_PER_S = 1_000_000_000
_LAST_16_BIT_ID = 0xFFFF
_IMAGES = (0, 1)
"""``PayloadType_Image`` and ``PayloadType_ChunkData``: what begins with an image. Others do not."""


def tick_hz(camera: Any) -> int:
    """Ticks of a camera's timestamps in a second: GigE Vision cameras tell, all others count ns."""
    node = camera.GetNodeMap().GetNode("GevTimestampTickFrequency")
    hz = int(node.GetValueOrDefault(0)) if node.IsReadable() else 0
    return hz or _NS_PER_S


class Reader:
    """Reads the results of one camera, in the order they came in."""

    def __init__(self, tick_hz: int = _NS_PER_S) -> None:
        self._tick_hz = tick_hz
        self._last: int | None = None

    def info(self, result: Any) -> dict[str, Any] | None:
        """The keywords for a result, or ``None`` where it holds no image. One that failed is incomplete."""
        block_id = int(result.GetBlockID())
        known = None if block_id == _NO_BLOCK_ID else block_id
        lost = self._lost_before(known)
        if result.GetPayloadType() not in _IMAGES:
            return None
        ticks = int(result.GetTimeStamp())
        info: dict[str, Any] = {
            "complete": bool(result.GrabSucceeded()),
            "block_id": known,
            "lost_at_camera": lost,
            "camera_timestamp_ns": ticks * _NS_PER_S // self._tick_hz or None,
        }
        width, height = int(result.GetWidth()), int(result.GetHeight())
        if width and height:
            info |= _image(result, width, height)
        return info

    def _lost_before(self, block_id: int | None) -> int:
        last, self._last = self._last, block_id
        if last is None or block_id is None:
            return 0
        step = block_id - last
        if step < 0 and last <= _LAST_16_BIT_ID:
            step += _LAST_16_BIT_ID  # those of GigE Vision 1.x go from 65535 to 1
            if step > _LAST_16_BIT_ID // 2:
                return 0
        # Not above 0 is a camera that counts anew.
        return min(max(step - 1, 0), 2**32 - 1)


def _image(result: Any, width: int, height: int) -> dict[str, Any]:
    image_bytes = int(result.GetImageSize())
    # Rows that do not begin on a byte have none.
    has_stride, stride = result.GetStride()
    chunk_bytes = int(result.GetPayloadSize()) - image_bytes if result.IsChunkDataAvailable() else 0
    return {
        "width": width,
        "height": height,
        # pylon's pixel types are PFNC's codes.
        "pixel_format": result.GetPixelType() & 0xFFFFFFFF,
        "offset_x": int(result.GetOffsetX()),
        "offset_y": int(result.GetOffsetY()),
        "stride": int(stride) if has_stride else 0,
        "image_bytes": image_bytes,
        "chunk_bytes": max(chunk_bytes, 0),
    }

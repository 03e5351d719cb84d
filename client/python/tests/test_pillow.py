"""Goal: images for Pillow have the right mode and pixels, and are no views. Method: the test pattern, converted here by
other means."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import StartBroker
from PIL import Image

MODES = {
    "Mono8": "L", "BayerRG8": "L", "Mono12": "I;16", "Mono16": "I;16", "Mono10p": "I;16", "BayerGB12Packed": "I;16",
    "RGB8": "RGB", "BGR8": "RGB", "RGBa8": "RGBA", "BGRa8": "RGBA", "RGB16": "RGB", "YUV422_8": "RGB",
    "YUV422_8_UYVY": "RGB",
}  # fmt: skip


@pytest.mark.parametrize("width", [24, 23])
@pytest.mark.parametrize("name,mode", MODES.items())
def test_images(start_broker: StartBroker, name: str, mode: str, width: int) -> None:
    process = start_broker("--pixel-format", name, "--width", width, "--height", 6, "--fps", 100)
    with process.connect() as broker, broker.subscribe("cam0") as subscription:
        with subscription.next(10) as frame:
            image, values = frame.to_pil(), frame.unpack()
        assert subscription.held == 0
    assert isinstance(image, Image.Image) and (image.mode, image.size) == (mode, (width, 6))
    pixels = np.asarray(image)
    if "422" in name:
        return check_422(pixels, values, "UYVY" in name)
    if name.startswith("BGR"):
        values = values[:, :, [2, 1, 0, 3][: values.shape[2]]]
    assert np.array_equal(pixels, values >> 8 if name == "RGB16" else values)


def check_422(pixels: np.ndarray, values: np.ndarray, is_uyvy: bool) -> None:
    """By the formula of BT.601 in full range. The chroma of an odd last pixel has no meaning."""
    pixels, values = pixels[:, :22], values[:, :22]
    luma, chroma = (values[:, :, 1], values[:, :, 0]) if is_uyvy else (values[:, :, 0], values[:, :, 1])
    y = luma.astype(float)
    u = np.repeat(chroma[:, 0::2], 2, axis=1).astype(float) - 128
    v = np.repeat(chroma[:, 1::2], 2, axis=1).astype(float) - 128
    expected = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], axis=2).clip(0, 255)
    assert np.abs(pixels - expected).max() <= 2

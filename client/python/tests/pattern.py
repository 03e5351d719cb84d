"""The test pattern and the packings, written from PROTOCOL.md and PFNC, apart from the code under test."""

from __future__ import annotations

import numpy as np


def image(name: str, significant_bits: int, channels: int, width: int, height: int, sequence: int) -> np.ndarray:
    """Values of an unpacked format: (height, width, channels)."""
    y, x, channel = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    t = (x + y + 85 * channel + 17 * sequence) % 256
    values = (t << (significant_bits - 8)) | (t >> (16 - significant_bits))
    return values.astype(np.uint8 if significant_bits == 8 else np.uint16)


def ramp(length: int, sequence: int) -> np.ndarray:
    """Bytes of every other format."""
    return ((np.arange(length) + 17 * sequence) % 256).astype(np.uint8)


def unpacked(name: str, significant_bits: int, data: bytes, count: int) -> np.ndarray:
    """The first ``count`` values of a packed run of bytes."""
    if name.endswith("p"):
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        values = bits[: count * significant_bits].reshape(count, significant_bits)
        return (values.astype(np.uint32) << np.arange(significant_bits)).sum(axis=1).astype(np.uint16)
    low_bits = significant_bits - 8
    values = []
    for at in range(count):
        group = data[at // 2 * 3 :]
        high = group[2] if at % 2 else group[0]
        low = group[1] >> 4 if at % 2 else group[1]
        values.append(high << low_bits | low & ((1 << low_bits) - 1))
    return np.array(values, np.uint16)

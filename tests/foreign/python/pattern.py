"""The test pattern of PROTOCOL.md: what every byte of a frame should be."""
import functools

UNPACKED = {0x01080001: (1, 1, 8), 0x01100003: (1, 2, 10), 0x01100005: (1, 2, 12), 0x01100007: (1, 2, 16),   # Mono8 10 12 16
            **{0x01080008 + i: (1, 1, 8) for i in range(4)}, **{0x0110000C + i: (1, 2, 10) for i in range(4)},   # Bayer..8 10 12 16
            **{0x01100010 + i: (1, 2, 12) for i in range(4)}, **{0x0110002E + i: (1, 2, 16) for i in range(4)},
            0x02180014: (3, 1, 8), 0x02180015: (3, 1, 8), 0x02200016: (4, 1, 8), 0x02200017: (4, 1, 8),         # RGB8 BGR8 RGBa8 BGRa8
            0x02300033: (3, 2, 16)}                                      # RGB16; each: channels, bytes of a container, significant bits


def image_bytes(code, width, height):
    return (width * height * (code >> 16 & 0xFF) + 7) // 8


@functools.lru_cache(maxsize=4)
def pattern(code, width):
    """The bytes of a row with t = 0 at its left, long enough to begin it at any t, then bytes per pixel and of a row."""
    channels, container, bits = UNPACKED[code]
    value = [((t << bits - 8) | (t >> 16 - bits)).to_bytes(container, "little") for t in range(256)]
    pixels = b"".join(value[(t + 85 * channel) % 256] for t in range(256) for channel in range(channels))
    return pixels * (width // 256 + 2), channels * container, width * channels * container


RAMP = bytes(range(256)) * 257                                           # what has no rows is compared by 64 KiB


def pieces(code, width, height, sequence):
    """The expected image as (bytes, offset in them, length), one after the other."""
    if code in UNPACKED:
        row, pixel, size = pattern(code, width)
        for y in range(height):
            yield row, (y + 17 * sequence) % 256 * pixel, size
    else:
        total = image_bytes(code, width, height)
        for offset in range(0, total, 65536):
            yield RAMP, 17 * sequence % 256, min(65536, total - offset)


def is_pattern(image, code, width, height, sequence):
    """Whether every byte is as it should be. Nothing is copied: startswith compares in place."""
    if not image or len(image) != image_bytes(code, width, height):
        return False
    at = 0
    for expected, start, size in pieces(code, width, height, sequence):
        with image[at:at + size] as part:
            if not expected.startswith(part, start):
                return False
        at += size
    return True

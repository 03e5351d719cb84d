#!/usr/bin/env python3
"""Writes the inputs with which each fuzz target begins, into DIRECTORY/TARGET: true ones, which libFuzzer then changes.

Usage: tests/fuzz/seeds.py DIRECTORY
"""

import json
import random
import struct
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(sys.argv[1])


def seed(target: str, name: str, data: bytes) -> None:
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name.replace("/", "-")).write_bytes(data)


def vectors(file: str) -> list[dict]:
    return json.loads((ROOT / "protocol/vectors" / file).read_text())


def png(width: int, height: int, depth: int, kind: int, palette: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    row = bytes(range((width * depth * samples + 7) // 8))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    palette = chunk(b"PLTE", palette) if palette else b""
    return b"\x89PNG\r\n\x1a\n" + head + palette + chunk(b"IDAT", zlib.compress((b"\0" + row) * height)) + chunk(b"IEND", b"")


def tiff(order: str, bits: int, samples: int, photometric: int, compression: int = 1, **others: int) -> bytes:
    width, height = 8, 4
    data = bytes(range(width * height * bits // 8 * samples))
    data = zlib.compress(data) if compression == 8 else data
    tags = {256: width, 257: height, 258: bits, 259: compression, 262: photometric, 277: samples, 278: height, 279: len(data)}
    tags |= {int(tag[1:]): value for tag, value in others.items()}
    tags[273] = 8 + 2 + (len(tags) + 1) * 12 + 4
    entries = (struct.pack(order + "HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IH", 8, len(tags)) + b"".join(entries) + bytes(4) + data


messages = vectors("messages.json") + vectors("refused.json")
for at, vector in enumerate(messages):
    raw = bytes.fromhex(vector["hex"])
    seed("codec", f"message-{at}", raw)
    # A client that says all that there is to say, once with and once without a producer's stream; then the others work.
    if len(raw) < 256:
        for stream in (0, 1):
            said = bytes([8, 0, len(raw)]) + raw
            seed("session", f"message-{at}-{stream}", bytes([stream, 24, 1, 0]) + said + bytes([2, 0, 7, 0]) + said + bytes([3, 0, 6, 0]))
for at, vector in enumerate(vectors("chunks.json")):
    seed("codec", f"chunks-{at}", bytes.fromhex(vector["hex"]))
for vector in vectors("pixel_formats.json"):
    seed("codec", "format-" + vector["name"], vector["name"].encode())

# A broker that is honest until it has granted a subscription, by either delivery, and then says each message in turn.
for at, vector in enumerate(messages):
    raw = bytes.fromhex(vector["hex"])
    if len(raw) < 256:
        for terms in (0, 1):
            granted = bytes([terms, 0, 0, 0, 0, 3, 0])
            said = bytes([9, 7, 0xE0, len(raw)]) + raw
            seed("client", f"message-{at}-{terms}", granted + bytes([0, 1, 0, 11]) + said + bytes([11, 13, 16, 17, 14]))

# Four kinds of liars; a step's number often enough.
steps = random.Random(1)
for kind in range(4):
    for at in range(8):
        step = (steps.randrange(10) if steps.random() < 0.6 else steps.randrange(256) for _ in range(400))
        seed("pages", f"{kind}-{at}", bytes([kind, steps.randrange(4), *step]))

seed("configuration", "packaged", (ROOT / "packaging/framebroker.toml").read_bytes())
seed("configuration", "two", b'socket = "x.sock"\n[[stream]]\nname = "a"\nsource = "pattern"\nfps = 5\n[[stream]]\nname = "b"\nsource = "producer"\n')

for name, image in {
    "gray1": png(16, 4, 1, 0), "gray8": png(8, 4, 8, 0), "gray16": png(8, 4, 16, 0), "rgb8": png(8, 4, 8, 2),
    "rgb16": png(4, 4, 16, 2), "palette": png(8, 4, 4, 3, bytes(range(48))), "alpha": png(4, 4, 8, 6),
}.items():  # fmt: skip
    seed("png", name, image)

for name, image in {
    "gray8": tiff("<", 8, 1, 1), "gray16": tiff(">", 16, 1, 1), "rgb8": tiff("<", 8, 3, 2), "white": tiff("<", 8, 1, 0),
    "deflate": tiff("<", 8, 1, 1, 8), "predictor": tiff("<", 8, 1, 1, 8, t317=2), "planar": tiff("<", 8, 3, 2, t284=2),
    "float": tiff("<", 32, 1, 1, t339=3), "oriented": tiff(">", 8, 1, 1, t274=3), "tiled": tiff("<", 8, 1, 1, t322=16, t323=16),
}.items():  # fmt: skip
    seed("tiff", name, image)

seed("recording", "two", b"""{"framebroker_recording": 1, "data": "run.raw"}
{"offset": 0, "width": 40, "height": 30, "pixel_format": "Mono8", "timestamp_ns": 1000000, "block_id": 1}
{"offset": 1200, "width": 20, "height": 30, "pixel_format": "Mono12p", "bytes": 900, "chunk_bytes": 16, "stride": 30, \
"offset_x": 4, "offset_y": 2, "timestamp_ns": 34000000, "block_id": 2, "complete": false}
""")

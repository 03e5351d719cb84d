"""Compares this program with the golden vectors."""
import json
import math
import pathlib
import sys
import zlib

from pattern import UNPACKED, image_bytes, is_pattern, pieces
from wire import Malformed, decode, decode_message, encode, variant_of


def vectors(folder):
    counts = dict.fromkeys(("messages", "refused", "headers", "formats", "patterns", "differences"), 0)

    def entries(kind, file):
        for entry in json.loads((pathlib.Path(folder) / file).read_text("utf-8")):
            counts[kind] += 1
            yield entry

    def expect(what, found, wanted):
        if found != wanted:
            counts["differences"] += 1
            print(f"{what}: {found!r:.500}, not {wanted!r:.500}", file=sys.stderr)

    def attempt(call, *args):
        try:
            return call(*args)
        except (Malformed, ValueError, KeyError, OverflowError) as error:
            return f"{type(error).__name__}: {error}"

    kinds = {"client to broker": "ToBroker", "broker to client": "ToClient"}
    for entry in entries("messages", "messages.json"):
        data, kind = bytes.fromhex(entry["hex"]), kinds[entry["direction"]]
        expect(entry["name"], attempt(decode_message, kind, data), entry["message"])
        expect(entry["name"] + " encoded", attempt(encode, kind, entry["message"]), data)
        for size in range(len(data)):                                    # every shorter one is refused
            expect(f"{entry['name']} cut to {size}", str(attempt(decode_message, kind, data[:size]))[:9], "Malformed")
    for entry in entries("refused", "refused.json"):
        found = attempt(decode_message, kinds[entry["direction"]], bytes.fromhex(entry["hex"]))
        if isinstance(found, dict):                                      # well-formed, maybe with a value out of its range
            _, fields = variant_of(found["body"])
            ranges = {"roles": 7, "max_held": 64, "payload_bytes": 1 << 40, "min_queued": 512}
            ok = all(1 <= fields.get(field, 1) <= most for field, most in ranges.items())
            value, number = variant_of(fields.get("value", {"Integer": 0}))
            ok = ok and value != "None" and (value != "Float" or math.isfinite(number))
            found = "decoded" if ok else "Invalid"
        expect(entry["why"], found.split(":")[0], entry["code"])
    for entry in entries("headers", "headers.json"):
        expect(entry["name"], attempt(decode, "FrameHeader", bytes.fromhex(entry["hex"])), (entry["header"], 128))
    for entry in entries("formats", "pixel_formats.json"):
        code, unpacked = entry["code"], entry["layout"] == "unpacked"
        layout = tuple(entry[key] for key in ("channels", "container_bytes", "significant_bits")) if unpacked else None
        expect(entry["name"], (code, code >> 16 & 0xFF, image_bytes(code, 5, 3), UNPACKED.get(code)),
               (int(entry["hex_code"], 16), entry["bits_per_pixel"], entry["bytes_5x3"], layout))
    for entry in entries("patterns", "pattern.json"):
        what = entry["code"], entry["width"], entry["height"], entry["sequence"]
        image = b"".join(expected[start:start + size] for expected, start, size in pieces(*what))
        expect(entry["pixel_format"], (len(image), image[:16].hex(), zlib.crc32(image)),
               (entry["bytes"], entry["first"], entry["crc32"]))
        for at in (None, 0, len(image) // 2, len(image) - 1):            # one wrong byte is found, wherever it is
            wrong = bytearray(image)
            if at is not None:
                wrong[at] ^= 1
            expect(f"{entry['pixel_format']} verified", is_pattern(memoryview(wrong), *what), at is None)
    print(json.dumps(counts))
    return int(counts["differences"] > 0)

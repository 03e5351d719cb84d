"""Reads and verifies frames, and does what lines on standard input say: `hold` keeps the next frame for ever, `stop` ends.

    reader.py SOCKET
"""

import select
import sys

import framebroker
import numpy


def is_pattern(frame):
    """The test pattern of PROTOCOL.md for Mono12: two bytes per pixel."""
    y, x = numpy.ogrid[: frame.height, : frame.width]
    t = ((x + y + 17 * frame.sequence) % 256).astype(numpy.uint16)
    return frame.pixel_format.name == "Mono12" and numpy.array_equal(frame.array, t << 4 | t >> 4)


def say(word, subscription, bad, context=0):
    counters = subscription.counters
    print(f"{word} context={context} bad={bad} received={counters.received} lost={counters.lost}", flush=True)


def read_frames(subscription):
    bad, line = 0, ""
    while line != "stop":
        try:
            with subscription.next(timeout=0.05) as frame:
                bad += not is_pattern(frame)
                if line == "hold":
                    say("holding", subscription, bad, frame.context)
                    line = sys.stdin.readline().strip()
        except framebroker.WaitTimeoutError:
            pass
        if select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline().strip()
    say("stopped", subscription, bad)


with framebroker.Broker(sys.argv[1]) as broker, broker.subscribe("cam0") as subscription:
    read_frames(subscription)

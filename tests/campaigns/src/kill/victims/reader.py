"""A reader to be killed: it attaches, holds frames, verifies and releases them, and leaves, again and again.

    reader.py SOCKET POLICY DELIVERY TURNS [STREAM]
"""

import sys

import framebroker

RAMP = bytes(range(256)) * 3


def is_right(frame):
    """Whether it is the test pattern of PROTOCOL.md for Mono8 and its block ID."""
    rows = ((y + 17 * frame.block_id) % 256 for y in range(frame.height))
    return bytes(frame.data) == b"".join(RAMP[row : row + frame.width] for row in rows)


def read(subscription):
    bad = 0
    for _ in range(3):
        with subscription.next(10) as first:
            with subscription.next(10) as second:
                bad += (not is_right(first)) + (not is_right(second))
            bad += not is_right(first)
    return bad


socket, policy, delivery, turns, *stream = sys.argv[1:]
for _ in range(int(turns)):
    with framebroker.Broker(socket) as broker:
        with broker.subscribe(*stream or ["cam0"], policy=policy, delivery=delivery, max_held=3) as subscription:
            print(f"turn bad={read(subscription)}", flush=True)

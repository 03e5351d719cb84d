"""A producer to be killed: it fills frames with the test pattern of their block IDs, of changing sizes, and goes.

    producer.py SOCKET TURNS
"""

import sys
import time

import framebroker

RAMP = bytes(range(256)) * 3
WIDTHS, HEIGHT = (64, 128), 48

socket, turns = sys.argv[1:]
block_id = 0
with (
    framebroker.Broker(socket) as broker,
    broker.produce("made", width=WIDTHS[0], height=HEIGHT, pixel_format="Mono8", fps=500, can_pause=True) as producer,
):
    for turn in range(int(turns)):
        width = WIDTHS[turn % 2]
        if turn > 0:
            producer.change(width=width)
        for _ in range(12):
            block_id += 1
            blank = producer.take(10)
            rows = ((y + 17 * block_id) % 256 for y in range(HEIGHT))
            blank.data[: width * HEIGHT] = b"".join(RAMP[row : row + width] for row in rows)
            blank.publish(width, HEIGHT, "Mono8", block_id=block_id)
            time.sleep(0.001)
        print("turn bad=0", flush=True)

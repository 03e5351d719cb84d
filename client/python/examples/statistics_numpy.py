"""Statistics of every frame with NumPy: ``python statistics_numpy.py [FRAMES]``. Packed formats are unpacked first."""

import sys

import framebroker

count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
with framebroker.Broker() as broker, broker.subscribe("cam0") as subscription:
    for _ in range(count):
        with subscription.next() as frame:
            pixels = frame.unpack() if frame.pixel_format.is_packed else frame.array
            print(
                f"frame {frame.sequence} in buffer {frame.buffer_context}, {frame.age_ns / 1e6:.2f} ms old: "
                f"{pixels.min()} to {pixels.max()}, mean {pixels.mean():.2f}"
            )
            del pixels  # a view: the frame stays held while it lives
    print(subscription.counters)

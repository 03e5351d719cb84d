"""Profiles what is done with buffers: ``python profile_buffers.py [FRAMES]``. In this program with cProfile, in the
broker by its own statistics."""

import cProfile
import pstats
import sys

import framebroker

count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
with framebroker.Broker() as broker, broker.subscribe("cam0") as subscription:
    subscription.next().array.mean()  # NumPy is imported when it is first needed
    with cProfile.Profile() as profiler:
        for _ in range(count):
            frame = subscription.next()
            frame.array.mean()
            frame.release()
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats("next|release|array|mean")
    stream = next(stream for stream in broker.stats() if stream.name == subscription.name)
    print("in the broker:")
    for name, timing in (("allocate", stream.allocate), ("publish", stream.publish), ("retire", stream.retire)):
        print(f"  {name}: {timing.count} times, {timing.mean_ns / 1e3:.1f} µs, {timing.max_ns / 1e3:.1f} µs at worst")

"""Processes in real time: ``python realtime.py [FRAMES] [MS]``. Always the newest frame, and a limit for its answer.

``predictive`` sleeps until shortly before the next frame is due. Frames that come while one is processed are skipped,
and counted; the camera never waits.
"""

import sys
import time

import framebroker

count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
limit_ms = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
late, answers = 0, []
with (
    framebroker.Broker() as broker,
    broker.subscribe("cam0", policy="latest", wait_mode="predictive") as subscription,
):
    for _ in range(count):
        with subscription.next() as frame:
            brightest = int(frame.array.max())
            answer_ms = (time.monotonic_ns() - frame.monotonic_ns) / 1e6
        answers.append(answer_ms)
        late += answer_ms > limit_ms
    answers.sort()
    print(f"brightest pixel of frame {frame.sequence}: {brightest}")
    print(
        f"{count} frames: answered {answers[len(answers) // 2]:.2f} ms after they came, {answers[-1]:.2f} ms at worst"
    )
    print(f"{late} later than {limit_ms:g} ms, {subscription.counters.skipped} skipped for newer ones")

"""Blurs every frame with OpenCV: ``python blur_opencv.py [FRAMES]``.

OpenCV reads the frame where the camera's driver wrote it, and writes into an array of its own.
"""

import sys

import cv2
import framebroker

count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
with framebroker.Broker() as broker, broker.subscribe("cam0", policy="latest") as subscription:
    for _ in range(count):
        with subscription.next() as frame:
            blurred = cv2.GaussianBlur(frame.array, (5, 5), 0)
        # The frame is given back; `blurred` is ours.
        print(f"frame {frame.sequence}: {blurred.shape}, mean {blurred.mean():.1f}")

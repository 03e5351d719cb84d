"""Saves one frame with Pillow: ``python save_pillow.py FILE.png``."""

import sys

import framebroker

if len(sys.argv) != 2:
    sys.exit("say where to: python save_pillow.py FILE.png")
with framebroker.Broker() as broker, broker.subscribe("cam0", policy="latest") as subscription:
    with subscription.next() as frame:
        frame.to_pil().save(sys.argv[1])
    print(f"frame {frame.sequence}, {frame.width}x{frame.height} {frame.pixel_format}, is in {sys.argv[1]}")

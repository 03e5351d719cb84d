"""Frames as PyTorch tensors: ``python torch_dlpack.py [FRAMES]``. With a GPU, the one copy is the one to it.

A tensor made of a frame is memory that nobody may write: use it as a source only.
"""

import sys

import framebroker
import torch

count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
device = "cuda" if torch.cuda.is_available() else "cpu"
with framebroker.Broker() as broker, broker.subscribe("cam0", policy="latest") as subscription:
    for _ in range(count):
        with subscription.next() as frame:
            try:
                shared = torch.from_dlpack(frame)
            except BufferError:  # a PyTorch that cannot be told that memory is read-only
                shared = torch.from_dlpack(frame.copy())
            image = shared.to(device, torch.float32) / 255
            del shared  # the frame stays held while this lives
        print(f"frame {frame.sequence} on {device}: mean {image.mean().item():.4f}")

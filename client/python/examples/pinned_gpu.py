"""Copies frames to a GPU straight from the broker's buffers, pinned: ``python pinned_gpu.py [FRAMES]``.

A buffer is registered with CUDA once, read-only, when a frame in it comes for the first time; from then on the GPU
fetches frames from there by itself, with no copy in between.
"""

import ctypes
import sys

import framebroker

try:
    import torch
except ImportError:
    sys.exit(print("skipped: PyTorch is not installed (pip install torch)"))
if not torch.cuda.is_available():
    sys.exit(print("skipped: there is no CUDA GPU here"))

READ_ONLY = 0x08  # cudaHostRegisterReadOnly
count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
cuda = torch.cuda.cudart()
pinned: dict[int, int] = {}
with framebroker.Broker() as broker, broker.subscribe("cam0") as subscription:
    for _ in range(count):
        with subscription.next() as frame:
            address = frame.array.ctypes.data
            if pinned.get(frame.buffer_context) != address:
                error = int(cuda.cudaHostRegister(address, frame.nbytes, READ_ONLY))
                outcome = f"cannot be pinned (CUDA error {error})" if error else "pinned"
                print(f"buffer {frame.buffer_context}: {outcome}")
                pinned[frame.buffer_context] = address
            shared = torch.from_dlpack(frame)
            image = shared.to("cuda", non_blocking=True)
            torch.cuda.synchronize()
            del shared
        print(f"frame {frame.sequence}: mean {image.float().mean().item():.2f} on {torch.cuda.get_device_name()}")
    for address in pinned.values():
        cuda.cudaHostUnregister(ctypes.c_void_p(address).value)

"""Strategies of allocation are options of the broker: ``python strategies.py pooled|aligned|zero-copy``.

Each starts a broker of its own with the options it is about, and shows what they do.
"""

import os
import subprocess
import sys

import framebroker
from own_broker import OwnBroker

SIZE = ("--width", 640, "--height", 480, "--fps", 100)


def pooled() -> None:
    """All buffers are there from the start, and are used again and again: nothing is allocated while images come."""
    with OwnBroker(*SIZE, "--segments", 6, "--max-segments", 6) as own, framebroker.Broker(own.socket) as broker:
        with broker.subscribe("cam0") as subscription:
            for _ in range(30):
                subscription.next(20).release()
        (stream,) = broker.stats()
        print(f"{stream.total_allocated} buffers were allocated for {stream.published} images:")
        for segment in broker.segments(stream.id):
            print(f"  buffer {segment.buffer_context} was used {segment.usage_count} times")


def aligned() -> None:
    """The first byte of every image lies at a multiple of a cache line, a page or a huge page."""
    for align in (64, 4096, 2 << 20):
        with OwnBroker(*SIZE, "--align", align) as own, framebroker.Broker(own.socket) as broker:
            with broker.subscribe("cam0") as subscription, subscription.next(20) as frame:
                address = frame.array.ctypes.data
                print(f"--align {align}: image at {address:#x}, {address % align} bytes beside a multiple")


def zero_copy() -> None:
    """Two processes read one image in the same memory: the object that is mapped in both is one and the same."""
    with OwnBroker(*SIZE) as own, framebroker.Broker(own.socket) as broker, broker.subscribe("cam0") as subscription:
        with subscription.next(20) as frame:
            other = "import sys, strategies; strategies.read_there(*sys.argv[1:])"
            command = [sys.executable, "-c", other, own.socket, str(frame.ref)]
            there = subprocess.run(
                command, check=True, capture_output=True, text=True, cwd=os.path.dirname(__file__) or "."
            )
            here = mapped_object(frame.array.ctypes.data)
            print(f"process {os.getpid()} reads image {frame.sequence} in memory object {here}")
            print(there.stdout, end="")
            print("the same memory" if there.stdout.split()[-1] == here else "NOT the same memory")


def read_there(socket: str, address: str) -> None:
    """Reads an image by its address, in another process."""
    with framebroker.Broker(socket) as broker, broker.acquire(framebroker.FrameRef.parse(address)) as frame:
        place = mapped_object(frame.array.ctypes.data)
        print(f"process {os.getpid()} reads image {frame.sequence} in memory object {place}")


def mapped_object(address: int) -> str:
    """Device and inode of what is mapped at an address."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            span, _, _, device, inode, *_ = line.split()
            begin, end = (int(part, 16) for part in span.split("-"))
            if begin <= address < end:
                return f"{device}/{inode}"
    raise LookupError(f"nothing is mapped at {address:#x}")


if __name__ == "__main__":
    strategies = {"pooled": pooled, "aligned": aligned, "zero-copy": zero_copy}
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    if chosen not in strategies:
        sys.exit(__doc__)
    strategies[chosen]()

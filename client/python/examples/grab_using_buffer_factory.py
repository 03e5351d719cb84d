"""Grabs images into buffers of shared memory, and shows the life of every buffer.

    python grab_using_buffer_factory.py            # as a consumer of the broker that runs
    python grab_using_buffer_factory.py --own      # with a broker and test images of its own: every buffer is freed
    python grab_using_buffer_factory.py --pylon    # the same from a Basler camera, through pylon's buffer factory

``--pylon`` needs pypylon; ``PYLON_CAMEMU=1`` in the environment emulates a camera.
"""

from __future__ import annotations

import argparse
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import framebroker
from own_broker import OwnBroker

WIDTH, HEIGHT = 1920, 1080
MB = 2**20
WAIT_S = 20


def show_note(words: argparse.Namespace) -> None:
    print("=== Custom Buffer Factory ===")
    print("Images are grabbed into buffers that a factory allocated, and read there without a copy.")
    print()
    if words.own or words.pylon:
        print("Note: the buffers belong to a broker that this program starts and ends.")
    else:
        print("Note: the buffers belong to the broker that runs; they stay allocated when this program ends.")
    print()


def show_camera(info: framebroker.StreamInfo) -> None:
    print("[CONFIG] The camera")
    print(f"Using device: {info.model or info.source}")
    print(f"Serial Number: {info.serial or 'none'}")
    print("[SUCCESS] Camera is ready")
    print()


def show_buffers(broker: framebroker.Broker, info: framebroker.StreamInfo, images: int) -> None:
    print(f"[START] Grabbing {images} images")
    size = info.pixel_format.image_bytes(info.width, info.height)
    print(f"Estimated image size: {size} bytes ({info.width}x{info.height})")
    buffers = sorted(broker.segments(info.id), key=lambda buffer: (buffer.allocated_realtime_ns, buffer.buffer_context))
    memory = 0
    for active, buffer in enumerate(buffers, 1):
        memory += buffer.bytes
        print(f"Allocated buffer {buffer.buffer_context}: {buffer.bytes} bytes")
        print(f"   Active buffers: {active}")
        print(f"   Current memory: {memory / MB:.2f} MB")
    print(f"Pre-allocated {len(buffers)} buffers")
    print()


def show_images(subscription: framebroker.Subscription, images: int) -> None:
    grabbed = 0
    for image in range(1, images + 1):
        try:
            frame = subscription.next(WAIT_S)
        except framebroker.StreamClosedError:
            break
        with frame:
            grabbed += 1
            print(f"Image {image}:")
            print(f"   Size: {frame.width}x{frame.height}")
            print(f"   Buffer Context: {frame.buffer_context}")
            print(f"   [INFO] Buffer Usage: {frame.usage_count}")
            print(f"   [STATS] Mean Intensity: {frame.unpack().mean():.1f}")
            print()
    print(f"[SUCCESS] Grab complete: {grabbed}/{images} images")
    print()


def show_statistics(statistics: dict[str, str]) -> None:
    print("[INFO] Buffer Factory Statistics:")
    for name, value in statistics.items():
        print(f"   {name}: {value}")


def statistics_now(broker: framebroker.Broker, stream: str) -> dict[str, str]:
    figures = next(figures for figures in broker.stats() if figures.name == stream)
    return {
        "Total Allocated": str(figures.total_allocated),
        "Total Freed": str(figures.total_freed),
        "Active Buffers": str(figures.active_buffers),
        "Current Memory Mb": f"{figures.current_bytes / MB:.2f}",
        "Peak Memory Mb": f"{figures.peak_bytes / MB:.2f}",
        "Max Buffers": str(figures.max_buffers),
    }


def consume(broker: framebroker.Broker, subscription: framebroker.Subscription, images: int) -> None:
    info = next(stream for stream in broker.streams() if stream.name == subscription.name)
    show_camera(info)
    show_buffers(broker, info, images)
    show_images(subscription, images)


def from_running_broker(stream: str, images: int) -> None:
    with framebroker.Broker() as broker, broker.subscribe(stream) as subscription:
        consume(broker, subscription, images)
        show_statistics(statistics_now(broker, stream))


def from_own_broker(stream: str, images: int) -> None:
    size = ("--width", WIDTH, "--height", HEIGHT, "--pixel-format", "Mono8", "--fps", 5)
    with own_broker(stream, images, *size) as own:
        with framebroker.Broker(own.socket) as broker:
            # The broker begins at once: the first images wait in their buffers.
            with broker.subscribe(stream, max_held=1, start="oldest") as subscription:
                consume(broker, subscription, images)
        show_statistics(own.statistics())


def from_basler_camera(stream: str, images: int) -> None:
    with own_broker(stream, images, "--source", "producer") as own:
        with framebroker.Broker(own.socket) as broker, broker.subscribe(stream, max_held=1) as subscription:
            with basler_camera() as camera, grabbing(camera, broker, stream):
                consume(broker, subscription, images)
        show_statistics(own.statistics())


def own_broker(stream: str, images: int, *options: object) -> OwnBroker:
    """Five buffers; it ends after so many images."""
    return OwnBroker("--name", stream, "--segments", 5, "--max-segments", 5, "--frames", images, *options)


@contextlib.contextmanager
def basler_camera() -> Iterator[Any]:
    from framebroker.pylon import pylon

    camera = pylon.InstantCamera(pylon.TlFactory.GetInstance().CreateFirstDevice())
    camera.Open()
    try:
        camera.Width.Value = min(WIDTH, camera.Width.Max)
        camera.Height.Value = min(HEIGHT, camera.Height.Max)
        camera.PixelFormat.Value = "Mono8"
        # Slow enough for a program that prints.
        camera.AcquisitionFrameRateEnable.TrySetValue(True)
        camera.AcquisitionFrameRateAbs.TrySetValue(5.0)
        camera.AcquisitionFrameRate.TrySetValue(5.0)
        yield camera
    finally:
        camera.Close()


@contextlib.contextmanager
def grabbing(camera: Any, broker: framebroker.Broker, stream: str) -> Iterator[None]:
    """pylon fills the broker's buffers, in a thread, until the stream ends."""
    from framebroker.pylon import SegmentFactory, pylon

    device, size = camera.GetDeviceInfo(), (camera.Width.Value, camera.Height.Value)
    with broker.produce(
        stream,
        width=size[0],
        height=size[1],
        pixel_format="Mono8",
        payload_bytes=camera.PayloadSize.Value,
        fixed_pool=True,
        model=f"{device.GetVendorName()} {device.GetModelName()}",
        serial=device.GetSerialNumber(),
    ) as producer:
        factory = SegmentFactory(producer)
        factory.attach(camera)
        camera.StartGrabbing(pylon.GrabStrategy_OneByOne)
        ended = threading.Event()

        def grab() -> None:
            with contextlib.suppress(framebroker.StoppedError, framebroker.StreamClosedError):
                while not ended.is_set():
                    result = camera.RetrieveResult(100, pylon.TimeoutHandling_Return)
                    if result.IsValid():
                        factory.publish(result)
                    factory.refill()

        thread = threading.Thread(target=grab)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            camera.StopGrabbing()
            factory.release()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stream", default="cam0")
    parser.add_argument("--images", type=int, default=5)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--own", action="store_true", help="start a broker, and show how it ends")
    where.add_argument("--pylon", action="store_true", help="the same with a Basler camera")
    words = parser.parse_args()
    show_note(words)
    grab = from_own_broker if words.own else from_basler_camera if words.pylon else from_running_broker
    grab(words.stream, words.images)


if __name__ == "__main__":
    main()

"""Goal: a frame is held exactly as long as anything of it is in use. Method: views of every kind, dropped in every
order, beside the broker's own count of holds."""

from __future__ import annotations

import gc
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable
from typing import Any

import framebroker
import numpy as np
import pattern
import pytest
from conftest import BrokerProcess, StartBroker, wait_until
from framebroker import Frame, HeldFramesError, HeldFramesWarning, Subscription

VIEWS: dict[str, Callable[[Frame], Any]] = {
    "array": lambda frame: frame.array,
    "slice of an array": lambda frame: frame.array[3:7, ::2],
    "asarray": np.asarray,
    "memoryview": memoryview,
    "part of a memoryview": lambda frame: memoryview(frame).cast("B")[5:9],
    "data": lambda frame: frame.data,
    "frombuffer": lambda frame: np.frombuffer(frame.data, np.uint8),
    # NumPy returns the buffer at once here, and keeps only what the memoryview was made of.
    "ndarray over data": lambda frame: np.ndarray((48, 64), np.uint8, buffer=frame.data),
    "ndarray over a memoryview": lambda frame: np.ndarray((48, 64), np.uint8, buffer=memoryview(frame)),
    "DLPack": np.from_dlpack,
    "DLPack capsule": lambda frame: frame.__dlpack__(max_version=(1, 0)),
    "pickle buffer": lambda frame: __import__("pickle").PickleBuffer(frame.data),
    "bytes that are read": lambda frame: io.BufferedReader(io.BytesIO(frame.data)) and memoryview(frame.data),
}


@pytest.fixture
def subscription(broker: BrokerProcess):  # type: ignore[no-untyped-def]
    with broker.connect() as connection, connection.subscribe("cam0", max_held=4) as subscription:
        yield subscription


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_view_keeps_its_frame_held(
    broker: BrokerProcess, subscription: Subscription, view: Callable[[Frame], Any]
) -> None:
    frame = subscription.next(10)
    shown = view(frame)
    with pytest.raises(BufferError, match="in use"):
        frame.release()
    assert frame.is_held and subscription.held == 1
    context = frame.context
    del frame
    assert subscription.held == 1 and broker.holds(os.getpid()) == 1
    assert subscription.held_frames[0][0] == context
    del shown
    assert subscription.held == 0 and broker.holds(os.getpid()) == 0


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_the_end_of_a_with_block_takes_nothing_from_a_view(
    subscription: Subscription, view: Callable[[Frame], Any]
) -> None:
    with subscription.next(10) as frame:
        shown = view(frame)
    assert not frame.is_held and subscription.held == 1
    with pytest.raises(framebroker.ReleasedError, match="given back"):
        view(frame)
    del shown
    assert subscription.held == 0


def test_release_gives_back_at_once(broker: BrokerProcess, subscription: Subscription) -> None:
    frame = subscription.next(10)
    assert broker.holds(os.getpid()) == 1 and frame.is_held and frame.taken_at is not None
    frame.release()
    frame.release()
    assert broker.holds(os.getpid()) == 0 and not frame.is_held and frame.taken_at is None
    for use in (
        lambda: frame.array, lambda: frame.data, lambda: frame.chunk_data, frame.copy, frame.unpack, frame.to_pil,
        lambda: memoryview(frame), lambda: np.asarray(frame), lambda: frame.shape, lambda: np.from_dlpack(frame),
    ):  # fmt: skip
        with pytest.raises(framebroker.ReleasedError):
            use()


def test_bytes_stay_as_they_are_while_the_camera_goes_on(broker: BrokerProcess, subscription: Subscription) -> None:
    frame = subscription.next(10)
    sequence, array = frame.sequence, frame.array
    del frame
    with broker.connect() as connection:
        wait_until(lambda: connection.streams()[0].head > sequence + 50, "fifty more frames")
    assert np.array_equal(array, pattern.image("Mono8", 8, 1, 64, 48, sequence)[:, :, 0])


def test_views_outlive_frame_subscription_and_broker(broker: BrokerProcess) -> None:
    connection = broker.connect()
    subscription = connection.subscribe("cam0")
    frame = subscription.next(10)
    sequence, array, view = frame.sequence, frame.array, memoryview(frame)
    subscription.close()
    connection.close()
    del frame, subscription, connection
    gc.collect()
    broker.kill()
    expected = pattern.image("Mono8", 8, 1, 64, 48, sequence)[:, :, 0]
    assert np.array_equal(array, expected) and view.tolist() == expected.tolist()


def test_nothing_is_copied(subscription: Subscription) -> None:
    frame = subscription.next(10)
    address = frame.array.__array_interface__["data"][0]
    mapping = next(m for m in subscription.mappings() if m.buffer_context == frame.buffer_context)
    assert mapping.address <= address and address + frame.nbytes <= mapping.address + mapping.length
    with open("/proc/self/maps", encoding="utf-8") as maps:
        ranges = [line for line in maps if int(line.split("-")[0], 16) <= address < int(re.split("[- ]", line)[1], 16)]
    assert len(ranges) == 1 and "memfd:" in ranges[0] and ranges[0].split()[1] == "r--s"
    again = subscription.acquire(frame.context)
    for view in (again.array, np.asarray(frame), np.from_dlpack(frame), np.asarray(frame.data)):
        assert view.__array_interface__["data"][0] == address


def test_nothing_can_be_written(subscription: Subscription) -> None:
    frame = subscription.next(10)
    for array in (frame.array, np.asarray(frame), np.frombuffer(frame.data, np.uint8), np.from_dlpack(frame)):
        with pytest.raises(ValueError):
            array[0] = 1
        with pytest.raises(ValueError):
            array.flags.writeable = True
    with pytest.raises(TypeError):
        memoryview(frame)[0, 0] = 1
    with pytest.raises(TypeError):
        frame.data[0] = 1
    with pytest.raises((TypeError, BufferError)):
        io.BytesIO(bytes(8)).readinto(frame)
    with pytest.raises(AttributeError):
        frame.width = 3  # type: ignore[misc]


def test_the_kernel_refuses_what_ignores_that(broker: BrokerProcess) -> None:
    """Goal: the documented segmentation fault, and no frame that anybody could change. Method: a write by address."""
    program = """
        import ctypes, sys, framebroker
        frame = framebroker.Broker(sys.argv[1]).subscribe("cam0").next(10)
        print("writing", flush=True)
        ctypes.memset(frame.array.ctypes.data, 0, 1)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), broker.socket]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (-signal.SIGSEGV, "writing\n")


def test_whoever_returns_a_buffer_at_once_gets_none(subscription: Subscription) -> None:
    """NumPy would keep the frame alive, but not held."""
    frame = subscription.next(10)
    for use in (lambda: np.ndarray((48, 64), np.uint8, buffer=frame), lambda: hashlib.sha256(frame)):
        with pytest.raises(BufferError, match="frame.data"):
            use()
    assert hashlib.sha256(frame.data).digest() == hashlib.sha256(bytes(frame)).digest()
    frame.release()


def test_a_program_that_keeps_frames_is_told_where(subscription: Subscription) -> None:
    kept = [subscription.next(10).array for _ in range(3)]
    line = sys._getframe().f_lineno - 1
    kept.append(memoryview(subscription.try_next() or subscription.next(10)))
    with pytest.raises(HeldFramesError, match="copy") as told:
        subscription.next(10)
    assert len(told.value.places) == 4 and [place for _, place in told.value.places[:3]] == [f"{__file__}:{line}"] * 3
    assert f"taken at {__file__}:{line + 2}" in str(told.value)
    for ask in (
        subscription.try_next,
        lambda: subscription.acquire(told.value.places[0][0]),
        lambda: next(subscription),
    ):
        with pytest.raises(HeldFramesError):
            ask()
    kept.pop()
    assert subscription.next(10).sequence > 0


def test_a_program_whose_frames_only_the_collector_finds_is_warned(subscription: Subscription) -> None:
    gc.disable()
    try:
        for _ in range(4):
            cycle: list[Any] = [subscription.next(10)]
            cycle.append(cycle)
            del cycle
        with pytest.warns(
            HeldFramesWarning, match=rf"garbage collector(.|\n)*taken at {re.escape(__file__)}:"
        ) as warned:
            frame = subscription.next(10)
    finally:
        gc.enable()
    assert len(warned) == 1 and warned[0].filename == __file__
    assert subscription.held == 1 and issubclass(HeldFramesWarning, RuntimeWarning)
    frame.release()


def test_a_loop_leaks_nothing(broker: BrokerProcess, subscription: Subscription) -> None:
    def look() -> None:
        with subscription.next(10) as frame:
            keep = [frame.array, memoryview(frame), np.from_dlpack(frame), frame.data, frame.pixel_format, frame.shape]
            keep.append(frame.copy())
            # Not by pytest's `raises`, which keeps some memory for itself.
            try:
                frame.release()
            except BufferError:
                keep.append("refused")
            assert keep[-1] == "refused"
            frame.__dlpack__(max_version=(1, 0))
            repr(frame)

    def size() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    for _ in range(20):
        look()
    before = size()
    for _ in range(300):
        look()
    # One for each turn would be a leak; some are the interpreter's own caches.
    assert size() - before < 150
    assert subscription.held == 0 and broker.holds(os.getpid()) == 0
    code = look.__code__
    references = sys.getrefcount(code)
    for _ in range(50):
        look()
    assert sys.getrefcount(code) == references


def test_objects_go_with_their_last_reference(broker: BrokerProcess) -> None:
    connection = broker.connect()
    subscription = connection.subscribe("cam0")
    frame = subscription.next(10)
    gone = [weakref.ref(thing) for thing in (connection, subscription, frame)]
    gc.disable()
    try:
        del connection, subscription, frame
        assert [reference() for reference in gone] == [None] * 3
    finally:
        gc.enable()
    wait_until(lambda: broker.holds(os.getpid()) == 0, "the end of the subscription")


def test_views_may_be_dropped_in_any_thread(broker: BrokerProcess, subscription: Subscription) -> None:
    views = [subscription.next(10).array for _ in range(4)]
    threads = [threading.Thread(target=views.pop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    wait_until(lambda: broker.holds(os.getpid()) == 0, "no holds")


def test_a_program_may_end_with_everything_held(broker: BrokerProcess) -> None:
    program = """
        import sys, framebroker, numpy
        subscription = framebroker.Broker(sys.argv[1]).subscribe("cam0", max_held=5)
        frames = [subscription.next(10) for _ in range(5)]
        kept = [frames[0].array, memoryview(frames[1]), numpy.from_dlpack(frames[2]), frames[3].data]
        sys.kept = kept
        print(len(frames))
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program), broker.socket]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "5", "")


@pytest.mark.parametrize("delivery", ["shared", "socket"])
def test_an_overwritten_variable_holds_two_at_most(start_broker: StartBroker, delivery: Any) -> None:
    process = start_broker("--width", 16, "--height", 16, "--fps", 500)
    with process.connect() as connection, connection.subscribe("cam0", delivery=delivery) as subscription:
        for count, frame in enumerate(subscription):
            assert subscription.held <= 2 and frame.array.shape == (16, 16)
            if count == 50:
                break

"""Goal: frames of several streams come in sets that belong together, and who waits for them is treated as who waits for
frames. Method: two producers in the test's own process that number and time their frames as they like."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import framebroker
import numpy as np
import pytest
from conftest import BrokerProcess, StartBroker, wait_until
from framebroker import SyncedSubscription
from test_fork import in_child

# Python 3.12 warns of forks beside threads, which is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

NAMES = ("left", "right")
MS = 1_000_000


class Cameras:
    """Two streams, each filled by this process."""

    def __init__(self, process: BrokerProcess) -> None:
        self.process = process
        self.broker = process.connect()
        words: dict[str, Any] = {"width": 8, "height": 4, "pixel_format": "Mono8"}
        self.producers = {name: self.broker.produce(name, **words) for name in NAMES}
        self.sent = dict.fromkeys(NAMES, 0)

    def send(self, name: str, number: int, time_ns: int | None = None) -> None:
        blank = self.producers[name].take(10)
        blank.array[:] = number
        blank.publish(block_id=number, camera_timestamp_ns=time_ns or number * 50 * MS)
        self.sent[name] += 1
        # Of the frames that wait in a stream that is full, only the last waits for one that is about to be published.
        wait_until(lambda: self.heads()[name] == self.sent[name], "the frame")

    def heads(self) -> dict[str, int]:
        return {stream.name: stream.head for stream in self.broker.streams()}

    def subscribe(self, max_held: int = 4) -> list[framebroker.Subscription]:
        return [self.broker.subscribe(name, max_held=max_held) for name in NAMES]

    def join(self, max_held: int = 4, **words: Any) -> SyncedSubscription:
        return SyncedSubscription(self.subscribe(max_held), **{"by": "block-id", "patience": 60.0, **words})

    def held(self) -> int:
        return self.process.holds(os.getpid())


@pytest.fixture
def cameras(start_broker: StartBroker, tmp_path: Path) -> Iterator[Cameras]:
    tables = "".join(f"[[stream]]\nname = '{name}'\nsource = 'producer'\nsegments = 20\n" for name in NAMES)
    (tmp_path / "cameras.toml").write_text(tables)
    cameras = Cameras(start_broker("--config", tmp_path / "cameras.toml"))
    with cameras.broker:
        yield cameras


def numbers(pair: framebroker.FrameSet) -> list[int | None]:
    for frame in pair.frames:
        assert frame is None or (frame.array == frame.block_id).all()
    return [frame and frame.block_id for frame in pair.frames]


@pytest.mark.parametrize(
    "words,skew_ns", [({"by": "block-id"}, 0), ({"by": "camera-time", "tolerance": 0.002}, MS)], ids=["number", "time"]
)
def test_frames_that_belong_together_come_together(cameras: Cameras, words: dict[str, Any], skew_ns: int) -> None:
    with cameras.join(**words, incomplete="deliver") as pairs:
        for number in (1, 2, 4, 5):
            cameras.send("left", number, number * 50 * MS)
        for number in (1, 3, 4, 5):
            cameras.send("right", number, number * 50 * MS + MS)
        came = []
        for pair in pairs:
            assert (pair.skew_ns, pair.is_complete) == ((skew_ns, True) if None not in pair.frames else (0, False))
            came.append(numbers(pair))
            if len(came) == 5:
                break
        assert came == [[1, 1], [2, None], [None, 3], [4, 4], [5, 5]]
        stats = pairs.stats
        assert (stats.complete, stats.incomplete, stats.unmatched) == (3, 2, [1, 1])
        assert stats.mean_skew_ns == stats.max_skew_ns == skew_ns and "complete=3" in repr(stats)
        assert "left, right" in repr(pairs) and f"{skew_ns} ns" in repr(pair)
        with pytest.raises(framebroker.WaitTimeoutError) as timeout:
            pairs.next(0.1)
        assert timeout.value.waiting_for == "frame" and pairs.try_next() is None


@pytest.mark.parametrize(
    "words,apart",
    [
        ({"by": "block-id"}, "the block IDs of the nearest were 3 apart"),
        ({"by": "camera-time", "tolerance": 0.002}, "the nearest were 150.0ms apart, and the tolerance is 2ms"),
    ],
    ids=["number", "time"],
)
def test_frames_that_never_belong_together_are_told_of(cameras: Cameras, words: dict[str, Any], apart: str) -> None:
    with cameras.join(**words) as pairs:
        for name, number in ((NAMES[0], 6), (NAMES[1], 9), (NAMES[0], 12)):
            cameras.send(name, number)
        for wait in (lambda: pairs.next(0.1), lambda: asyncio.run(pairs.next_async(0.1))):
            with pytest.raises(
                framebroker.WaitTimeoutError, match=f"no set came within .*the 3 frames .*{apart}"
            ) as late:
                wait()
            assert late.value.waiting_for == "set"


def test_by_time_of_arrival_and_incomplete_sets_are_dropped(start_broker: StartBroker, tmp_path: Path) -> None:
    """Method: two patterns at different rates: half of the frames of one have no partner."""
    tables = "".join(
        f"[[stream]]\nname = '{name}'\nwidth = 8\nheight = 4\nfps = {fps}\n"
        for name, fps in ((NAMES[0], 100), (NAMES[1], 50))
    )
    (tmp_path / "cameras.toml").write_text(tables)
    process = start_broker("--config", tmp_path / "cameras.toml")
    with process.connect() as broker:
        subscriptions = [broker.subscribe(name, max_held=6) for name in NAMES]
        with SyncedSubscription(subscriptions, tolerance=0.005) as pairs:
            for _ in range(20):
                with pairs.next(10) as (left, right):
                    assert abs(left.monotonic_ns - right.monotonic_ns) <= 5 * MS
            stats = pairs.stats
            assert stats.complete == 20 and stats.unmatched[0] >= 5 and stats.max_skew_ns <= 5 * MS
            assert subscriptions[0].counters.received >= 25 and subscriptions[0].state == "live"


def test_a_set_holds_its_frames_for_as_long_as_anything_of_them_is_in_use(cameras: Cameras) -> None:
    with cameras.join() as pairs:
        for number in (1, 2, 3):
            for name in NAMES:
                cameras.send(name, number)
        with pairs.next(10) as pair:
            left, right = pair
            assert len(pair) == 2 and pair[0] is left and pair[-1] is right
            with pytest.raises(IndexError):
                pair[2]
            array = left.array
        assert not left.is_held and not right.is_held and (array == 1).all()
        assert [len(one.held_frames) for one in pairs.subscriptions] == [1, 0]
        del array, left, right, pair
        assert [one.held for one in pairs.subscriptions] == [0, 0]
        pair = pairs.next(10)
        view = memoryview(pair[1])
        place = f"{__file__}:"
        assert all(frame.taken_at.startswith(place) for frame in pair)
        with pytest.raises(BufferError, match="in use"):
            pair.release()
        assert not pair[0].is_held and pair[1].is_held
        view.release()
        pair.release()
        pair = pairs.next(10)
        kept = pair.frames
        del pair
        assert all(frame is not None and frame.is_held for frame in kept)
        del kept
        wait_until(lambda: cameras.held() == 0, "all frames to be given back")


def test_who_keeps_all_frames_is_told_where(cameras: Cameras) -> None:
    with cameras.join(max_held=2) as pairs:
        for number in (1, 2, 3):
            for name in NAMES:
                cameras.send(name, number)
        kept = [pairs.next(10), pairs.next(10)]
        with pytest.raises(framebroker.HeldFramesError, match=__file__) as full:
            pairs.next(10)
        assert len(full.value.places) == 4
        # Only the garbage collector can find them.
        cycle: list[Any] = [kept]
        cycle.append(cycle)
        gc.disable()
        try:
            del kept, cycle
            with pytest.warns(framebroker.HeldFramesWarning, match=__file__):
                assert numbers(pairs.next(10)) == [3, 3]
        finally:
            gc.enable()


def test_what_was_joined_tells_how_it_is_and_hands_out_nothing(cameras: Cameras) -> None:
    left, right = cameras.subscribe()
    pairs = SyncedSubscription(iter([left, right]), by="block-id")
    assert pairs.subscriptions == (left, right)
    uses = (left.next, left.try_next, left.fileno, left.mappings, lambda: left.acquire(1 << 16), lambda: next(left))
    for use in uses:
        with pytest.raises(framebroker.JoinedError, match="SyncedSubscription"):
            use()
    with pytest.raises(framebroker.JoinedError):
        SyncedSubscription([left], by="block-id")
    for name in NAMES:
        cameras.send(name, 1)
    pair = pairs.next(10)
    assert (left.state, left.held, left.counters.received, right.counters.received) == ("live", 1, 1, 1)
    assert left.next_change() is None and "live" in repr(left)
    right.close()
    for closed in (pairs.next, pairs.try_next, left.next_change):
        with pytest.raises(framebroker.ClosedError):
            closed()
    assert list(pairs) == [] and (left.state, right.state) == ("closed", "closed") and "closed" in repr(pairs)
    assert left.counters.received == 1 and pairs.stats.complete == 1, "what was counted stays"
    assert numbers(pair) == [1, 1], "what is held stays"
    del pair
    wait_until(lambda: not subscribed(cameras), "the end of the subscriptions")
    # Dropping it ends them too, though they are referred to.
    left, right = cameras.subscribe()
    pairs = SyncedSubscription([left, right], by="block-id")
    assert subscribed(cameras)
    gone = weakref.ref(pairs)
    del pairs
    assert gone() is None
    wait_until(lambda: not subscribed(cameras), "the end of the subscriptions")
    assert left.state == "closed"


def subscribed(cameras: Cameras) -> bool:
    return any(client.subscriptions for client in cameras.broker.clients())


def test_what_cannot_be_joined(cameras: Cameras) -> None:
    left, right = cameras.subscribe()

    def refused(subscriptions: Any, says: str, error: type[Exception] = ValueError, **words: Any) -> None:
        with pytest.raises(error, match=says):
            SyncedSubscription(subscriptions, **words)

    refused([left, right], "arrival, camera-time, block-id", by="nonsense")
    refused([left, right], "needs a tolerance in seconds")
    refused([left, right], "no tolerance", by="block-id", tolerance=1)
    refused([left, right], "seconds", tolerance=-1)
    refused([left, right], "seconds", by="block-id", patience=-1)
    refused([left, right], "drop, deliver", by="block-id", incomplete="keep")
    refused([], "no subscriptions", by="block-id")
    refused([left, left], "named twice", by="block-id")
    refused([left, "right"], "Subscription", TypeError, by="block-id")
    refused(left.name, "Subscription", TypeError, by="block-id")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(right.next, 60.0)
        closed = cameras.broker.subscribe("left")
        closed.close()

        def in_use() -> bool:
            # Fails in any case, so that nothing is joined.
            with pytest.raises(ValueError) as fault:
                SyncedSubscription([right, closed], by="block-id")
            return "another thread waits" in str(fault.value)

        wait_until(in_use, "a thread that waits")
        cameras.send("right", 1)
        assert waiting.result(20).block_id == 1
    # None was taken out, so that all can still be used.
    cameras.send("left", 1)
    assert left.next(10).block_id == 1
    right.close()
    with pytest.raises(framebroker.ClosedError):
        SyncedSubscription([left, right], by="block-id")


def test_cameras_without_numbers_cannot_be_matched_by_them(start_broker: StartBroker) -> None:
    process = start_broker("--source", "producer")
    with process.connect() as broker, broker.produce("cam0", width=8, height=4, pixel_format="Mono8") as producer:
        with SyncedSubscription([broker.subscribe("cam0")], by="block-id") as alone:
            producer.take(10).publish()
            with pytest.raises(framebroker.NotComparableError, match="cam0 have no block ID") as fault:
                alone.next(10)
            assert isinstance(fault.value, ValueError)


def test_the_end_of_all_streams_ends_a_loop(start_broker: StartBroker, tmp_path: Path) -> None:
    tables = "".join(f"[[stream]]\nname = '{name}'\nfps = 50\nframes = 10\nwidth = 8\nheight = 8\n" for name in NAMES)
    (tmp_path / "cameras.toml").write_text(tables)
    process = start_broker("--config", tmp_path / "cameras.toml")
    with process.connect() as broker:
        subscriptions = [broker.subscribe(name, max_held=4, start="oldest") for name in NAMES]
        pairs = SyncedSubscription(subscriptions, tolerance=0.01)
        for pair in pairs:
            assert pair.is_complete
        with pytest.raises(framebroker.StreamClosedError):
            pairs.next()
    process.process.wait(20)


def test_other_threads_run_while_one_waits_and_may_end_it(cameras: Cameras) -> None:
    pairs = cameras.join()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(pairs.next)
        wait_until(waiting.running, "a thread that waits")
        counted = 0
        stop = threading.Timer(0.5, pairs.close)
        stop.start()
        while not waiting.done():
            counted += 1
            assert pairs.stats.complete == 0 and pairs.subscriptions[0].counters.received == 0
            if not stop.finished.is_set():
                assert pairs.subscriptions[1].held == 0
        with pytest.raises(framebroker.ClosedError):
            waiting.result(20)
        assert counted > 100
    assert list(pairs) == []


def test_sets_come_in_asyncio(cameras: Cameras) -> None:
    async def read() -> None:
        with cameras.join(max_held=8, patience=0.3, incomplete="deliver") as pairs:
            with pytest.raises(framebroker.WaitTimeoutError, match="100 ms"):
                await pairs.next_async(0.1)
            asyncio.get_running_loop().call_later(0.1, cameras.send, "left", 1)
            asyncio.get_running_loop().call_later(0.2, cameras.send, "right", 1)
            pair = await pairs.next_async(10)
            assert numbers(pair) == [1, 1] and pair[0].taken_at.startswith(f"{__file__}:")
            for number in (2, 3):
                for name in NAMES:
                    cameras.send(name, number)
            cameras.send("left", 4)
            came = []
            async for pair in pairs:
                came.append(numbers(pair))
                if None in pair.frames:
                    break
            assert came == [[2, 2], [3, 3], [4, None]]
            descriptors = len(os.listdir("/proc/self/fd"))
            for _ in range(5):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(pairs.next_async(), 0.01)
            assert len(os.listdir("/proc/self/fd")) == descriptors
            asyncio.get_running_loop().call_later(0.1, pairs.close)
            assert [pair async for pair in pairs] == []

    asyncio.run(asyncio.wait_for(read(), 60))


def test_a_killed_broker_is_noticed(cameras: Cameras) -> None:
    pairs = cameras.join()
    killing = threading.Timer(0.2, cameras.process.kill)
    killing.start()
    with pytest.raises(framebroker.BrokerGoneError):
        pairs.next(20)
    killing.join(20)


def test_a_forked_child_is_refused(cameras: Cameras) -> None:
    with cameras.join() as pairs:
        for number in (1, 2):
            for name in NAMES:
                cameras.send(name, number)
        pair = pairs.next(10)
        left = pairs.subscriptions[0]

        def child() -> None:
            nonlocal pair
            uses = (pairs.next, pairs.try_next, lambda: next(pairs), lambda: pairs.stats, pair[0].copy)
            for use in (*uses, left.next, left.next_change, lambda: left.state, lambda: left.counters):
                with pytest.raises(framebroker.ForkedError, match="in the child"):
                    use()
            assert repr(pairs) and repr(pair) and "parent" in repr(left)
            pair.release()
            left.close()
            pairs.close()
            del pair

        in_child(child)
        assert numbers(pair) == [1, 1] and left.held == 1 and cameras.held() >= 2
        assert numbers(pairs.next(10)) == [2, 2]
        assert np.asarray(pair[0]).shape == (4, 8)

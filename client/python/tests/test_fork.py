"""Goal: a forked child is refused what is its parent's, and the parent does not notice. Method: os.fork and
multiprocessing with everything in use, in all threads."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import framebroker
import numpy as np
import pattern
import pytest
from conftest import BrokerProcess
from framebroker import ForkedError

# Python 3.12 warns of forks beside threads, which is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def in_child(run: Callable[[], None]) -> None:
    """Runs something in a forked child, which must end by itself with status 0."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run()
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(status)
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(os.waitpid(child, 0)[1]), daemon=True)
    thread.start()
    thread.join(20)
    if not ended:
        os.kill(child, 9)
    assert ended == [0]


def refused(*uses: Callable[[], Any]) -> None:
    for use in uses:
        with pytest.raises(ForkedError, match="in the child"):
            use()


def test_a_child_is_refused_and_the_parent_undisturbed(broker: BrokerProcess) -> None:
    with broker.connect() as connection, connection.subscribe("cam0", max_held=3) as subscription:
        frame, other = subscription.next(10), subscription.next(10)
        array, tensor = frame.array, np.from_dlpack(frame)

        def child() -> None:
            nonlocal other, array, tensor
            refused(connection.streams, connection.ping, lambda: connection.subscribe("cam0"), lambda: connection.pid)
            refused(subscription.next, subscription.try_next, lambda: subscription.acquire(frame.context))
            refused(
                lambda: next(subscription), subscription.fileno, subscription.mappings, lambda: subscription.counters
            )
            refused(lambda: subscription.state, lambda: subscription.held)
            refused(lambda: frame.array, frame.copy, frame.unpack, frame.to_pil, lambda: frame.data)
            refused(lambda: frame.chunk_data, lambda: memoryview(frame), lambda: np.from_dlpack(frame))
            assert "parent" in repr(subscription) and frame.sequence and repr(frame) and repr(connection)
            del array, tensor
            frame.release()
            other.release()
            subscription.close()
            connection.close()
            del other
            # The child's own.
            with broker.connect() as mine, mine.subscribe("cam0") as own:
                assert own.next(10).array.shape == (48, 64)

        in_child(child)
        assert subscription.held == 2 and broker.holds(os.getpid()) == 2
        assert np.array_equal(array, pattern.image("Mono8", 8, 1, 64, 48, frame.sequence)[:, :, 0])
        assert subscription.next(10).sequence > other.sequence and connection.ping() > 0


def test_a_fork_while_other_threads_wait(broker: BrokerProcess) -> None:
    with broker.connect() as connection, connection.subscribe("cam0") as subscription:
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                subscription.next(10).release()
                connection.ping()

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                in_child(lambda: refused(subscription.next, connection.streams, lambda: subscription.counters))
        finally:
            stop.set()
            for thread in threads:
                thread.join(20)
        assert subscription.next(10).width == 64


def look(frames: Any) -> str:
    try:
        assert frames[0].array is not None
    except ForkedError:
        return "refused"
    return "shown"


FRAMES: list[Any] = []


def look_at_globals(_: int) -> str:
    return look(FRAMES)


def test_multiprocessing(broker: BrokerProcess) -> None:
    with broker.connect() as connection, connection.subscribe("cam0") as subscription:
        FRAMES.append(subscription.next(10))
        try:
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert pool.map_async(look_at_globals, range(4)).get(20) == ["refused"] * 4
            assert look(FRAMES) == "shown" and broker.holds(os.getpid()) == 1
        finally:
            FRAMES.clear()


def acquire_there(socket: str, context: int) -> int:
    with framebroker.Broker(socket).subscribe("cam0") as subscription:
        return int(subscription.acquire(context).array[0, 0])


def test_a_frame_goes_to_another_process_by_its_context_id(broker: BrokerProcess) -> None:
    with broker.connect() as connection, connection.subscribe("cam0") as subscription:
        with subscription.next(10) as frame:
            with pytest.raises(TypeError, match="pickle"):
                __import__("pickle").dumps(frame)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found = pool.apply_async(acquire_there, (broker.socket, frame.context)).get(60)
            assert found == frame.array[0, 0] == 17 * frame.sequence % 256

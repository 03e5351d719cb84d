"""Goal: frames come to tasks, and no task keeps the others waiting. Method: asyncio loops beside a real broker."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import framebroker
import pytest
from conftest import BrokerProcess, StartBroker


def test_async_for_ends_with_the_stream(start_broker: StartBroker) -> None:
    process = start_broker("--width", 16, "--height", 16, "--fps", 100, "--frames", 20)

    async def read() -> list[int]:
        sequences = []
        with process.connect() as broker, broker.subscribe("cam0", start="oldest") as subscription:
            async for frame in subscription:
                assert frame.array[0, 0] == 17 * frame.sequence % 256
                sequences.append(frame.sequence)
                assert subscription.held <= 2
        return sequences

    sequences = asyncio.run(asyncio.wait_for(read(), 30))
    assert sequences and sequences[-1] == 20
    process.process.wait(20)


def test_other_tasks_run_meanwhile(start_broker: StartBroker) -> None:
    process = start_broker("--width", 16, "--height", 16, "--fps", 10)

    async def read() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        with process.connect() as broker, broker.subscribe("cam0") as subscription:
            counting = asyncio.create_task(count())
            for _ in range(3):
                (await subscription.next_async(10)).release()
            counting.cancel()
        return turns

    assert asyncio.run(read()) > 100


def test_a_backlog_keeps_no_task_waiting(start_broker: StartBroker) -> None:
    process = start_broker("--width", 16, "--height", 16, "--fps", 500, "--segments", 32)

    async def read() -> list[int]:
        turns: list[int] = []

        async def note(sequence: int) -> None:
            turns.append(sequence)

        with process.connect() as broker, broker.subscribe("cam0", start="oldest", max_held=1) as subscription:
            notes = []
            for _ in range(10):
                with await subscription.next_async(10) as frame:
                    notes.append(asyncio.create_task(note(frame.sequence)))
                assert len(turns) >= len(notes) - 1
            await asyncio.gather(*notes)
        return turns

    assert len(asyncio.run(read())) == 10


def test_a_time_limit_and_a_cancelled_task(quiet: BrokerProcess) -> None:
    async def read() -> None:
        with quiet.connect() as broker, broker.subscribe("cam0") as subscription:
            begun = time.monotonic()
            with pytest.raises(framebroker.WaitTimeoutError, match="200 ms"):
                await subscription.next_async(timeout=0.2)
            assert 0.19 < time.monotonic() - begun < 10
            descriptors = len(os.listdir("/proc/self/fd"))
            for _ in range(5):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(subscription.next_async(), 0.01)
            assert len(os.listdir("/proc/self/fd")) == descriptors

    asyncio.run(read())


def test_a_broker_that_does_not_answer_keeps_no_task_waiting(broker: BrokerProcess) -> None:
    async def read() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        with broker.connect() as connection, connection.subscribe("cam0", reconnect=True) as frames:
            (await frames.next_async(10)).release()
            broker.kill()
            broker.again()
            os.kill(broker.process.pid, signal.SIGSTOP)
            counting = asyncio.create_task(count())
            with pytest.raises(framebroker.WaitTimeoutError) as late:
                while True:
                    (await frames.next_async(3)).release()
            assert late.value.waiting_for == "broker"
            counting.cancel()
            counted = turns
            os.kill(broker.process.pid, signal.SIGCONT)
            (await frames.next_async(20)).release()
            assert frames.reconnects == 1
            return counted

    # Each attempt to join took a second.
    assert asyncio.run(read()) > 30


def test_tasks_share_a_subscription(start_broker: StartBroker) -> None:
    process = start_broker("--width", 16, "--height", 16, "--fps", 100, "--frames", 40)

    async def read() -> list[int]:
        sequences: list[int] = []
        with process.connect() as broker, broker.subscribe("cam0", max_held=8) as subscription:

            async def work() -> None:
                async for frame in subscription:
                    sequences.append(frame.sequence)

            await asyncio.wait_for(asyncio.gather(*(work() for _ in range(3))), 30)
        return sequences

    sequences = asyncio.run(read())
    assert len(set(sequences)) == len(sequences) and max(sequences) == 40
    process.process.wait(20)


def test_closing_and_dying_end_it(quiet: BrokerProcess) -> None:
    async def read() -> None:
        with quiet.connect() as broker:
            subscription = broker.subscribe("cam0")
            asyncio.get_running_loop().call_later(0.1, subscription.close)
            assert [frame async for frame in subscription] == []
            subscription = broker.subscribe("cam0")
            asyncio.get_running_loop().call_later(0.1, quiet.kill)
            with pytest.raises(framebroker.BrokerGoneError):
                await subscription.next_async(20)

    asyncio.run(asyncio.wait_for(read(), 30))


def test_the_awaiting_line_is_the_one_that_took_the_frame(broker: BrokerProcess) -> None:
    async def read() -> None:
        with broker.connect() as connection, connection.subscribe("cam0") as subscription:
            frame = await subscription.next_async(10)
            assert frame.taken_at is not None and frame.taken_at.startswith(f"{__file__}:")
            async for other in subscription:
                assert other.taken_at is not None and other.taken_at.startswith(f"{__file__}:")
                break
            with pytest.raises(framebroker.HeldFramesError, match=__file__):
                await subscription.next_async(10)

    asyncio.run(read())

"""Goal: whoever waits gets its frame, its time limit, its Ctrl-C or the end, and nobody hangs. Method: slow and dying
brokers, threads and signals, each wait with a bound."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import framebroker
import pytest
from conftest import BrokerProcess, StartBroker, wait_until


def test_a_time_limit(quiet: BrokerProcess) -> None:
    with quiet.connect() as broker, broker.subscribe("cam0") as subscription:
        begun = time.monotonic()
        with pytest.raises(framebroker.WaitTimeoutError) as timeout:
            subscription.next(0.1)
        assert 0.09 < time.monotonic() - begun < 10
        assert isinstance(timeout.value, TimeoutError) and timeout.value.waiting_for == "frame"
        assert subscription.try_next() is None
        with pytest.raises(framebroker.WaitTimeoutError):
            subscription.next(timeout=0)
        for wrong in (-1, float("nan")):
            with pytest.raises(ValueError, match="seconds"):
                subscription.next(wrong)


ANY_TIME = (0.0, 1e-300, 1e-9, 1e9, 2.0**64, 1e300, float("inf"))
NO_TIME = (-1.0, -1e300, float("-inf"), float("nan"))


def test_any_time_may_be_given(broker: BrokerProcess, start_broker: StartBroker) -> None:
    """The longest, none and the shortest, for everything that takes a time; what is no time is a ValueError."""
    producing = start_broker("--source", "producer", "--segments", 8)

    def once(time_s: float) -> None:
        # What is shorter than a moment may be too short.
        allowed: tuple[type[Exception], ...] = (framebroker.WaitTimeoutError,) if time_s < 1 else ()
        connected = (*allowed, framebroker.NoBrokerError) if time_s < 1 else ()
        with contextlib.suppress(*connected), framebroker.Broker(broker.socket, timeout=time_s) as connection:
            connection.ping()
        with broker.connect() as connection:
            with connection.subscribe("cam0", wait_mode="spin-then-block", spin=time_s) as subscription:
                for _ in range(3):
                    with contextlib.suppress(*allowed):
                        subscription.next(time_s).release()
                    with contextlib.suppress(*allowed):
                        asyncio.run(asynchronously(subscription, time_s))
            both = [connection.subscribe("cam0", max_held=4) for _ in range(2)]
            pairs = framebroker.SyncedSubscription(both, tolerance=time_s, patience=time_s)
            with pairs, contextlib.suppress(*allowed):
                pairs.next(time_s)
        with (
            producing.connect() as connection,
            connection.produce("cam0", width=16, height=16, pixel_format="Mono8") as producer,
            contextlib.suppress(*allowed),
            producer.take(time_s),
        ):
            pass

    async def asynchronously(subscription: framebroker.Subscription, time_s: float) -> None:
        (await subscription.next_async(time_s)).release()

    for time_s in ANY_TIME:
        once(time_s)

    def never(time_s: float) -> None:
        with broker.connect() as connection, connection.subscribe("cam0", max_held=4) as subscription:
            for wrong in (
                lambda: framebroker.Broker(broker.socket, timeout=time_s),
                lambda: connection.subscribe("cam0", wait_mode="spin-then-block", spin=time_s),
                lambda: subscription.next(time_s),
                lambda: asyncio.run(asynchronously(subscription, time_s)),
                lambda: framebroker.SyncedSubscription([subscription], tolerance=time_s),
                lambda: framebroker.SyncedSubscription([subscription], tolerance=1.0, patience=time_s),
            ):
                with pytest.raises(ValueError, match="is a time in seconds, 0 or more"):
                    wrong()

    for time_s in NO_TIME:
        never(time_s)
    with producing.connect() as connection:
        for fps in (1e-300, 5e-324, 1e-9, 1e300):
            connection.produce("cam0", width=16, height=16, pixel_format="Mono8", fps=fps).close()
        for fps in (0.0, *NO_TIME, float("inf")):
            with pytest.raises(ValueError, match="fps is a number"):
                connection.produce("cam0", width=16, height=16, pixel_format="Mono8", fps=fps)


def test_a_loop_ends_with_the_stream(start_broker: StartBroker) -> None:
    process = start_broker("--width", 16, "--height", 16, "--fps", 100, "--frames", 20)
    with process.connect() as broker, broker.subscribe("cam0", start="oldest") as subscription:
        sequences = [frame.sequence for frame in subscription]
        assert sequences and sequences[-1] == 20
        counters = subscription.counters
        assert counters.received == len(sequences) and counters.lost + counters.skipped == 0
        assert subscription.state == "closed"
        with pytest.raises(framebroker.StreamClosedError) as closed:
            subscription.next()
        assert closed.value.reason
    process.process.wait(20)


def test_a_broker_that_is_killed_is_noticed(quiet: BrokerProcess) -> None:
    with quiet.connect() as broker, broker.subscribe("cam0") as subscription:
        quiet.kill()
        with pytest.raises(framebroker.BrokerGoneError) as gone:
            for _ in subscription:
                pass
        assert isinstance(gone.value, ConnectionError)
        with pytest.raises(framebroker.NoBrokerError):
            broker.streams()


def test_it_goes_on_with_the_next_broker(start_broker: StartBroker) -> None:
    process = start_broker("--width", 16, "--height", 16, "--fps", 100)
    with process.connect() as broker, broker.subscribe("cam0", reconnect=True) as subscription:
        first = subscription.broker_id
        subscription.next(10)
        process.kill()
        with pytest.raises(framebroker.WaitTimeoutError) as timeout:
            while True:
                subscription.next(0.5)
        assert timeout.value.waiting_for == "broker"
        assert subscription.state == "offline" and subscription.offline_reason
        process.again()
        assert subscription.next(20).sequence >= 1
        assert subscription.reconnects == 1 and subscription.broker_id != first


INTERRUPTED = """
    import sys, framebroker
    subscription = framebroker.Broker(sys.argv[1]).subscribe("cam0", {options})
    print("waiting", flush=True)
    try:
        {wait}
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize(
    "wait,options",
    [
        ("subscription.next()", ""),
        ("subscription.next()", 'policy="latest", wait_mode="spin"'),
        ("next(subscription)", 'delivery="socket"'),
        ("import asyncio; asyncio.run(subscription.next_async())", ""),
        ("framebroker.SyncedSubscription([subscription], tolerance=1).next()", ""),
        ("import asyncio; asyncio.run(framebroker.SyncedSubscription([subscription], tolerance=1).next_async())", ""),
        ("import threading; t = threading.Thread(target=subscription.next, daemon=True); t.start(); t.join(0.2); "
         "subscription.next()", ""),
    ],
)  # fmt: skip
def test_ctrl_c_ends_a_wait_without_end(quiet: BrokerProcess, wait: str, options: str) -> None:
    program = textwrap.dedent(INTERRUPTED.format(options=options, wait=wait))
    with subprocess.Popen(
        [sys.executable, "-c", program, quiet.socket], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None and child.stdout.readline() == "waiting\n"
            # Nothing shows from outside when it has begun to wait: the interrupt is to come in the middle of it.
            time.sleep(0.5)
            begun = time.monotonic()
            child.send_signal(signal.SIGINT)
            said, errors = child.communicate(timeout=20)
            assert time.monotonic() - begun < 10
            assert (said, child.returncode) == ("interrupted\n", 0), errors
        finally:
            child.kill()


def test_a_signal_handler_that_raises_nothing_does_not_end_a_wait(start_broker: StartBroker) -> None:
    process = start_broker("--width", 16, "--height", 16, "--fps", 2)
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        with process.connect() as broker, broker.subscribe("cam0") as subscription:
            subscription.next(10)
            timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            assert subscription.next(10).sequence > 0
            timer.join(20)
            assert heard == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_other_threads_run_while_one_waits(quiet: BrokerProcess) -> None:
    with quiet.connect() as broker, broker.subscribe("cam0") as subscription, ThreadPoolExecutor() as pool:
        waiting = pool.submit(subscription.next, 2.0)
        wait_until(waiting.running, "a thread that waits")
        counted = 0
        while not waiting.done():
            counted += 1
            # None of these waits for the other thread.
            assert (subscription.state, subscription.held, subscription.policy) == ("live", 0, "sequential")
            assert subscription.counters.received == 0 and subscription.reconnects == 0
            assert subscription.try_next() is None
        with pytest.raises(framebroker.WaitTimeoutError):
            waiting.result()
        assert counted > 100


def test_threads_take_turns(start_broker: StartBroker) -> None:
    process = start_broker("--width", 16, "--height", 16, "--fps", 500, "--frames", 200)
    with process.connect() as broker, broker.subscribe("cam0", max_held=8) as subscription:
        lock, seen = threading.Lock(), []

        def work() -> None:
            for frame in subscription:
                with lock:
                    seen.append((frame.sequence, int(frame.array[0, 0])))
                del frame

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work) for _ in range(4)]:
                done.result(30)
        counters = subscription.counters
        assert len({sequence for sequence, _ in seen}) == len(seen) == counters.received
        assert all(value == 17 * sequence % 256 for sequence, value in seen)
        assert counters.received + counters.lost == max(seen)[0] - min(seen)[0] + 1
    process.process.wait(20)


def test_closing_ends_the_wait_of_another_thread(quiet: BrokerProcess) -> None:
    with quiet.connect() as broker, ThreadPoolExecutor() as pool:
        subscription = broker.subscribe("cam0")
        waiting = [pool.submit(subscription.next), pool.submit(list, subscription)]
        wait_until(lambda: all(one.running() for one in waiting), "threads that wait")
        subscription.close()
        with pytest.raises(framebroker.ClosedError):
            waiting[0].result(20)
        assert waiting[1].result(20) == []
        subscription.close()
        for use in (subscription.next, subscription.try_next, subscription.fileno, subscription.mappings):
            with pytest.raises(framebroker.ClosedError):
                use()
        assert subscription.state == "closed" and "closed" in repr(subscription)
        wait_until(lambda: quiet.holds(os.getpid()) == 0, "the end of the subscription")


def test_a_poll_of_ones_own(broker: BrokerProcess) -> None:
    with broker.connect() as connection, connection.subscribe("cam0") as subscription:
        poll = select.poll()
        poll.register(subscription, select.POLLIN)
        sequences: list[int] = []
        while len(sequences) < 20:
            assert poll.poll(10_000), "no news within 10 s"
            while (frame := subscription.try_next()) is not None:
                sequences.append(frame.sequence)
                frame.release()
        assert sequences == list(range(sequences[0], sequences[0] + 20)) or subscription.counters.lost


@pytest.mark.parametrize("policy", ["sequential", "latest", "upcoming", "lossless"])
@pytest.mark.parametrize("delivery", ["shared", "socket"])
def test_policies_and_deliveries(broker: BrokerProcess, policy, delivery) -> None:  # type: ignore[no-untyped-def]
    with broker.connect() as connection:
        with connection.subscribe("cam0", policy=policy, delivery=delivery) as subscription:
            first = subscription.next(10).sequence
            passes_over = policy in ("latest", "upcoming") and delivery == "shared"
            newest = first + (6 if passes_over else 1)
            wait_until(lambda: connection.streams()[0].head >= newest, "frames to be passed over")
            later = [subscription.next(10).sequence for _ in range(5)]
            assert later == sorted(later) and first < later[0]
            assert (subscription.policy, subscription.delivery) == (policy, delivery)
            counters = subscription.counters
            assert counters.received == 6
            if policy == "lossless":
                assert later == list(range(first + 1, first + 6)) and not counters.lost + counters.skipped
            if passes_over:
                assert counters.skipped >= 5 and later[0] >= first + 5


@pytest.mark.parametrize(
    "options", [{"wait_mode": mode} for mode in ("block", "spin", "spin-then-block", "predictive")] + [
        {"wait_mode": "spin-then-block", "spin": 0.001}
    ],
)  # fmt: skip
def test_wait_modes(broker: BrokerProcess, options) -> None:  # type: ignore[no-untyped-def]
    with broker.connect() as connection, connection.subscribe("cam0", **options) as subscription:
        assert [subscription.next(10).width for _ in range(5)] == [64] * 5


@pytest.mark.parametrize(
    "options,says",
    [
        ({"policy": "newest"}, "sequential, latest, upcoming, lossless"),
        ({"delivery": "post"}, "shared, socket"),
        ({"start": "first"}, "next, oldest"),
        ({"wait_mode": "sleep"}, "block, spin, spin-then-block, predictive"),
        ({"spin": 1.0}, "spin-then-block"),
        ({"wait_mode": "spin-then-block", "spin": -1.0}, "seconds"),
    ],
)
def test_wrong_options_say_what_would_do(broker: BrokerProcess, options: dict[str, Any], says: str) -> None:
    with broker.connect() as connection, pytest.raises(ValueError, match=says):
        connection.subscribe("cam0", **options)

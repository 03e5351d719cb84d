"""Goal: what a broker tells arrives, and failures say whose they are. Method: a real broker, and none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import framebroker
import pytest
from conftest import BrokerProcess


def test_streams_and_statistics(broker: BrokerProcess) -> None:
    with broker.connect("looker") as connection, connection.subscribe("cam0", max_held=3) as subscription:
        frame = subscription.next(10)
        (stream,) = connection.streams()
        assert (stream.name, stream.state, stream.source, stream.content) == ("cam0", "live", "pattern", "pattern")
        assert (stream.width, stream.height, stream.pixel_format.name, stream.fps) == (64, 48, "Mono8", 200.0)
        assert stream.shared and stream.backing == "memfd" and stream.head >= frame.sequence
        (figures,) = connection.stats()
        assert figures.name == "cam0" and figures.published > 0 and figures.publish.count > 0
        assert figures.current_bytes == 64 * 48 * figures.active_buffers
        segments = connection.segments(stream.id)
        (held,) = [segment for segment in segments if segment.state == "held"]
        assert held.buffer_context == frame.buffer_context and held.held_by[0].pid == os.getpid()
        assert connection.segments(77) == []
        me = next(client for client in connection.clients() if client.subscriptions)
        (mine,) = me.subscriptions
        assert (me.name, mine.stream, mine.held, mine.max_held) == ("looker", "cam0", 1, 3)
        assert any(client.id == connection.client_id for client in connection.clients())
        assert connection.ping() > 0 and connection.pid == broker.process.pid and connection.socket == broker.socket
        assert connection.id == subscription.broker_id != 0
        assert (subscription.name, subscription.info.width, subscription.max_held) == ("cam0", 64, 3)
        for thing in (stream, figures, held, me, connection, subscription, subscription.counters, held.held_by[0]):
            assert type(thing).__name__ in repr(thing)
        assert repr(subscription.counters) == "Counters(received=1, lost=0, skipped=0)"


def test_no_broker_lists_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(framebroker.NoBrokerError, match="broker --segments 8") as missing:
        framebroker.Broker(tmp_path / "nobody")
    assert missing.value.tried == [(str(tmp_path / "nobody"), "no such socket")]
    assert isinstance(missing.value, ConnectionError) and isinstance(missing.value, framebroker.Error)


def test_a_broker_object_asks_the_next_broker(broker: BrokerProcess) -> None:
    with framebroker.Broker(broker.socket, control=True) as connection:
        first, held = connection.id, connection.take_control("cam0")
        broker.kill()
        for _ in range(2):
            with pytest.raises(framebroker.NoBrokerError):
                connection.streams()
        broker.again()
        with framebroker.Broker(broker.socket, control=True) as other, other.take_control("cam0"):
            with held:
                assert connection.streams() and connection.id == other.id != first
            with pytest.raises(framebroker.ControlledError):
                connection.set_feature("cam0", "OffsetX", 8)
        assert connection.set_feature("cam0", "OffsetX", 8).version == 1


def test_a_broker_that_is_not_there_yet_is_waited_for(broker: BrokerProcess) -> None:
    broker.kill()
    with pytest.raises(framebroker.NoBrokerError):
        framebroker.Broker(broker.socket, wait=0.2)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(framebroker.Broker, broker.socket, wait=None)
        time.sleep(0.2)
        assert not waiting.done()
        broker.again()
        with waiting.result(20) as connection:
            assert connection.streams()


def test_a_signal_ends_the_wait_for_a_broker(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            framebroker.Broker(tmp_path / "nobody", wait=None)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("timeout", [-1.0, float("nan"), float("-inf")])
def test_what_is_no_time_limit(broker: BrokerProcess, timeout: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        framebroker.Broker(broker.socket, timeout=timeout)
    with pytest.raises(ValueError, match="seconds"):
        framebroker.Broker(broker.socket, wait=timeout)


def test_refusals_have_types(broker: BrokerProcess) -> None:
    with broker.connect() as connection:
        with pytest.raises(framebroker.UnknownStreamError, match="cam0") as unknown:
            connection.subscribe("cam7")
        assert unknown.value.code == "UnknownStream" and isinstance(unknown.value, framebroker.RefusedError)
        with pytest.raises(framebroker.InvalidNameError):
            connection.subscribe("no such name")
        with pytest.raises(framebroker.RefusedError) as invalid:
            connection.subscribe("cam0", max_held=65)
        assert invalid.value.code == "Invalid"
        held = connection.subscribe("cam0", max_held=40)
        with pytest.raises(framebroker.NotAdmittedError, match="segments"):
            connection.subscribe("cam0", max_held=60)
        held.close()


def test_frames_by_context_id(broker: BrokerProcess) -> None:
    with broker.connect() as connection, connection.subscribe("cam0", max_held=4) as subscription:
        frame = subscription.next(10)
        again = subscription.acquire(frame.context)
        assert again.context == frame.context and subscription.held == 2
        gone = frame.context + (1 << 40)
        with pytest.raises(framebroker.FrameGoneError) as missing:
            subscription.acquire(gone)
        assert missing.value.context == gone and isinstance(missing.value, LookupError)
        for no_context in (0, 5, (1 << 16) | 60_000):
            with pytest.raises(ValueError, match="context ID"):
                subscription.acquire(no_context)
        with pytest.raises(OverflowError):
            subscription.acquire(1 << 64)


def test_a_closed_broker_leaves_subscriptions_alone(broker: BrokerProcess) -> None:
    connection = broker.connect()
    subscription = connection.subscribe("cam0")
    connection.close()
    connection.close()
    with pytest.raises(framebroker.ClosedError):
        connection.streams()
    assert subscription.next(10).width == 64
    subscription.close()


PROGRAM = "import framebroker, sys; print([c.name for c in framebroker.Broker(sys.argv[1]).clients()])"


def test_a_client_is_called_like_its_program(broker: BrokerProcess, tmp_path: Path) -> None:
    script = tmp_path / "inspect_line.py"
    script.write_text(PROGRAM)
    for command, name in ([str(script)], "inspect_line.py"), (["-c", PROGRAM], os.path.basename(sys.executable)):
        said = subprocess.run(
            [sys.executable, *command, broker.socket], capture_output=True, text=True, timeout=60, check=True
        ).stdout
        assert said.strip() == f"['{name}']"


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = sys.modules["PIL"] = None
import framebroker
with framebroker.Broker(sys.argv[1]).subscribe("cam0") as subscription:
    with subscription.next(10) as frame:
        assert memoryview(frame).shape == (48, 64) and len(bytes(frame.data)) == 48 * 64
        for use, package in ((frame.copy, "NumPy"), (lambda: frame.array, "NumPy"), (frame.to_pil, "NumPy")):
            try:
                use()
            except ImportError as error:
                assert package in str(error), error
            else:
                raise AssertionError(package)
print("fine")
"""


def test_bytes_need_no_numpy(broker: BrokerProcess) -> None:
    command = [sys.executable, "-c", WITHOUT_NUMPY, broker.socket]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("fine\n", "")


def test_posix_segments_go_by_socket(start_broker) -> None:  # type: ignore[no-untyped-def]
    process = start_broker("--backing", "posix", "--width", 16, "--height", 16, "--fps", 100)
    with process.connect() as connection:
        with pytest.raises(framebroker.RefusedError):
            connection.subscribe("cam0")
        with connection.subscribe("cam0", delivery="socket") as subscription:
            assert subscription.next(10).array.shape == (16, 16)

"""Goal: a frame's address brings that frame or an exception, in any process, and never another frame. Method: real
brokers with two streams whose frames have the same context IDs, one of which is started anew."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from pathlib import Path

import framebroker
import pytest
from conftest import BrokerProcess, StartBroker, wait_until
from framebroker import Broker, FrameRef

TWO_STREAMS = """
segments = 16
history = 12
width = 64
height = 48
fps = 50
[[stream]]
name = "left"
[[stream]]
name = "right"
"""


@pytest.fixture
def two(start_broker: StartBroker, tmp_path: Path) -> BrokerProcess:
    config = tmp_path / "two.toml"
    config.write_text(TWO_STREAMS)
    return start_broker("--config", config)


def test_an_address_is_a_value(two: BrokerProcess) -> None:
    with two.connect() as connection, connection.subscribe("left") as left, left.next(10) as frame:
        ref = frame.ref
        assert (ref.broker_id, ref.stream, ref.context) == (connection.id, "left", frame.context)
        assert (frame.broker_id, frame.stream, ref.sequence) == (ref.broker_id, ref.stream, frame.sequence)
        assert str(ref) == f"{ref.broker_id:016x}/left/{ref.context}" and FrameRef.parse(str(ref)) == ref
        assert eval(repr(ref), {"FrameRef": FrameRef}) == pickle.loads(pickle.dumps(ref)) == ref
        later = FrameRef(ref.broker_id, "left", ref.context + (1 << 16))
        assert ref < later and {ref: 1}[FrameRef.parse(str(ref))] == 1 and ref not in {later}
        with pytest.raises(AttributeError):
            ref.context = 7  # type: ignore[misc]
    assert frame.ref == ref and frame.stream == "left", "metadata stay"
    for wrong in ("", "589832", str(ref).upper(), f"{ref}0x"):
        with pytest.raises(ValueError, match="BROKER/STREAM/CONTEXT"):
            FrameRef.parse(wrong)
    for broker_id, stream, context in ((1, "a/b", 1 << 16), (1, "left", 0)):
        with pytest.raises(ValueError):
            FrameRef(broker_id, stream, context)
    with pytest.raises(TypeError, match=r"send frame\.ref"):
        pickle.dumps(frame)


def _seen(socket: str, ref: FrameRef) -> tuple[int, float]:
    with Broker(socket) as broker, broker.acquire(ref) as frame:
        return frame.monotonic_ns, float(frame.array.mean())


def test_an_address_brings_its_frame_in_another_process(two: BrokerProcess) -> None:
    with two.connect() as connection, connection.subscribe("left", max_held=2) as left, left.next(10) as frame:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(_seen, (two.socket, frame.ref)) == (frame.monotonic_ns, float(frame.array.mean()))


def test_a_broker_object_acquires_of_any_stream(two: BrokerProcess) -> None:
    with two.connect() as source, framebroker.Broker(two.socket, max_acquired=1) as broker:
        frames = [source.subscribe(stream).next(10) for stream in ("left", "right")]
        seen = []

        def look() -> None:
            for _ in range(20):
                for frame in frames:
                    try:
                        with broker.acquire(frame.ref) as again:
                            seen.append(again.ref == frame.ref and again.monotonic_ns == frame.monotonic_ns)
                    except framebroker.HeldFramesError as error:
                        assert "test_addresses.py" in str(error) or not error.places

        threads = [threading.Thread(target=look) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(seen) and seen
        held = broker.acquire(frames[0].ref)
        with pytest.raises(framebroker.HeldFramesError, match="test_addresses.py:") as full:
            broker.acquire(frames[0].ref)
        assert full.value.places == [(held.context, held.taken_at)]
        with pytest.raises(framebroker.UnknownStreamError):
            broker.acquire(FrameRef(broker.id, "middle", held.context))
        with pytest.raises(TypeError):
            broker.acquire(held.context)  # type: ignore[arg-type]
    with pytest.raises(framebroker.ClosedError):
        broker.acquire(held.ref)
    assert held.array.shape == (48, 64), "it outlives the broker object"


@pytest.mark.parametrize("delivery", ["shared", "socket"])
def test_an_address_of_another_stream_is_refused(two: BrokerProcess, delivery: str) -> None:
    with (
        two.connect() as broker,
        broker.subscribe("right", start="oldest", delivery=delivery, max_held=4) as right,
    ):
        for _ in range(3):
            with right.next(10) as frame:
                of_left = FrameRef(frame.ref.broker_id, "left", frame.context)
                with pytest.raises(
                    framebroker.OtherStreamError, match="left, and this subscription is to right"
                ) as other:
                    right.acquire(of_left)
                assert other.value.stream == "right" and isinstance(other.value, ValueError)
                with right.acquire(frame.context) as same:
                    assert same.ref == frame.ref


def test_an_address_of_an_earlier_broker_is_refused(two: BrokerProcess) -> None:
    broker = two.connect()
    reader, worker = (broker.subscribe("left", reconnect=True, max_held=4) for _ in range(2))
    with reader.next(10) as frame:
        old = frame.ref
    worker.next(10).release()
    two.kill()
    two.again()

    def of_the_next_broker() -> framebroker.Frame:
        # What the first had published may come before.
        while (frame := reader.next(20)).broker_id == old.broker_id:
            frame.release()
        return frame

    with of_the_next_broker() as frame, worker.acquire(frame.ref) as same, broker.acquire(frame.ref):
        assert same.ref == frame.ref and frame.broker_id != old.broker_id
    named: list[int] = []

    def number_names_another() -> bool:
        for acquire in (worker.acquire, broker.acquire):
            with pytest.raises(framebroker.FrameGoneError, match="run of the broker") as gone:
                acquire(old)
            assert (gone.value.context, gone.value.reason) == (old.context, "other-broker")
        try:
            with worker.acquire(old.context) as another:
                named.append(another.broker_id)
        except framebroker.FrameGoneError:
            pass
        return bool(named)

    wait_until(number_names_another, "the number to name another frame")
    assert named[0] != old.broker_id
    for subscription in (reader, worker):
        subscription.close()
    broker.close()

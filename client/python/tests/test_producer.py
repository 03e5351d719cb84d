"""Goal: a program fills segments in place of a camera, and what it published is never written again. Method: real
brokers with ``--source producer``, and consumers beside the producer."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import framebroker
import numpy as np
import pytest
from conftest import BrokerProcess, StartBroker, wait_until
from test_fork import in_child

# Python 3.12 warns of forks beside threads, which is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

WIDTH, HEIGHT = 64, 48


@pytest.fixture
def empty(start_broker: StartBroker) -> BrokerProcess:
    """A broker that waits for a producer."""
    return start_broker("--source", "producer", "--segments", 6)


def produce(broker: framebroker.Broker, **options: object) -> framebroker.Producer:
    words: dict[str, object] = {"width": WIDTH, "height": HEIGHT, "pixel_format": "Mono8", **options}
    return broker.produce("cam0", **words)  # type: ignore[arg-type]


def test_every_word_of_a_frame_arrives(empty: BrokerProcess) -> None:
    with (
        empty.connect() as broker,
        broker.subscribe("cam0") as subscription,
        produce(broker, payload_bytes=8192, fps=25, model="a model", serial="77") as producer,
    ):
        blank = producer.take(5)
        blank.data[:] = bytes(range(256)) * 32
        address, context = blank.address, blank.buffer_context
        blank.publish(
            32, 16, "Mono16", stride=80, offset_x=3, offset_y=5, image_bytes=1280, chunk_bytes=7,
            camera_timestamp_ns=99, block_id=12, lost_at_camera=4,
        )  # fmt: skip
        with subscription.next(5) as frame:
            assert frame.array.shape == (16, 32) and frame.array.dtype == np.uint16 and frame.stride == 80
            assert bytes(frame.data) == bytes(range(256)) * 5 and frame.chunk_data == bytes(range(7))
            said = (frame.offset_x, frame.offset_y, frame.camera_timestamp_ns, frame.block_id, frame.lost_at_camera)
            assert said == (3, 5, 99, 12, 4) and frame.buffer_context == context and frame.is_complete
            assert frame.sequence == producer.first_sequence == 1
        (info,) = broker.streams()
        assert (info.model, info.serial, info.fps) == ("a model", "77", 25.0)
        assert str(os.getpid()) in info.producer
        assert address in [segment.address for segment in producer.segments()]
        with pytest.raises(framebroker.ReleasedError):
            blank.publish()


def test_frames_cannot_be_written_once_they_are_published(empty: BrokerProcess) -> None:
    with empty.connect() as broker, produce(broker) as producer, broker.subscribe("cam0") as subscription:
        blank = producer.take(5)
        view = blank.array
        view[:] = 7
        part = view[3:5]
        del view
        for finish in (blank.publish, blank.keep):
            with pytest.raises(BufferError, match=r"drop them \(del\)"):
                finish()
        with pytest.raises(BufferError, match="blank.data"):
            np.ndarray((HEIGHT, WIDTH), np.uint8, buffer=blank)
        del part
        with pytest.raises(framebroker.InvalidFrameError, match="do not fit"):
            blank.publish(image_bytes=10**6)
        blank.publish()
        with subscription.next(5) as frame:
            assert (frame.array == 7).all()
        with pytest.raises(framebroker.ReleasedError):
            blank.array  # noqa: B018


def test_what_is_given_back_comes_again_and_views_outlive_the_blank(empty: BrokerProcess) -> None:
    with empty.connect() as broker, produce(broker) as producer:
        count = len(producer.segments())
        blanks = [producer.take(5) for _ in range(count)]
        assert sorted(blank.buffer_context for blank in blanks) == list(range(1000, 1000 + count))
        assert producer.try_take() is None
        view = blanks.pop().data
        assert producer.try_take() is None, "a view keeps the segment from being handed out again"
        view[0] = 1
        view.release()
        with producer.take(5) as again:
            assert again.nbytes == WIDTH * HEIGHT
        with pytest.raises(framebroker.StillFillingError):
            producer.change(width=2 * WIDTH)
        del blanks, again
        producer.change(width=2 * WIDTH, fps=10)
        assert producer.width == 2 * WIDTH and producer.take(5).nbytes == 2 * WIDTH * HEIGHT


def test_kept_segments_are_published_by_their_buffer_context(empty: BrokerProcess) -> None:
    with empty.connect() as broker, produce(broker, fixed_pool=True) as producer:
        kept = producer.take(5).keep()
        assert kept.address and kept.nbytes == WIDTH * HEIGHT
        with broker.subscribe("cam0") as subscription:
            producer.publish(kept.buffer_context, block_id=5)
            with subscription.next(5) as frame:
                assert (frame.buffer_context, frame.block_id) == (kept.buffer_context, 5)
        with pytest.raises(framebroker.NotKeptError) as caught:
            producer.publish(kept.buffer_context)
        assert caught.value.buffer_context == kept.buffer_context


def test_one_thread_publishes_while_another_waits(empty: BrokerProcess) -> None:
    """Method: all segments are kept, so that the waiting thread has nothing until one is published and retired."""
    with empty.connect() as broker, produce(broker, fixed_pool=True) as producer:
        contexts = [producer.take(5).keep().buffer_context for _ in producer.segments()]
        came: list[int] = []
        waiter = threading.Thread(target=lambda: came.append(producer.take(20).buffer_context))
        waiter.start()
        for context in contexts:
            producer.publish(context)
        waiter.join(20)
        assert came and came[0] in contexts


def test_waits_end(empty: BrokerProcess) -> None:
    with empty.connect() as broker:
        producer = produce(broker)
        held = [producer.take(5) for _ in producer.segments()]
        with pytest.raises(framebroker.WaitTimeoutError, match="readers may hold them all") as caught:
            producer.take(0.05)
        assert caught.value.waiting_for == "segment"
        timer = threading.Timer(0.1, producer.close)
        timer.start()
        with pytest.raises(framebroker.ClosedError):
            producer.take(20)
        timer.join()
        del held

        producer = produce(broker)
        held = [producer.take(5) for _ in producer.segments()]
        interrupt(lambda: producer.take(20))
        empty.kill()
        del held
        with pytest.raises(framebroker.Error) as gone:
            while producer.take(20):
                time.sleep(0.01)
        assert isinstance(gone.value, framebroker.BrokerGoneError)
    empty.again()


def interrupt(wait: Callable[[], object]) -> None:
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        wait()
    timer.join()


def test_who_may_not(empty: BrokerProcess, broker: BrokerProcess) -> None:
    with empty.connect() as connection:
        with produce(connection), pytest.raises(framebroker.RefusedError, match="end it first") as refused:
            produce(connection)
        assert refused.value.code == "Busy"
        with pytest.raises(framebroker.UnknownStreamError):
            connection.produce("cam7", width=1, height=1, pixel_format="Mono8")
        with pytest.raises(ValueError, match="fps is a number"):
            produce(connection, fps=0)
        with pytest.raises(ValueError, match="nonsense"):
            produce(connection, pixel_format="nonsense")
        with pytest.raises(framebroker.InvalidFrameError, match="payload_bytes"):
            produce(connection, pixel_format=0x1)
    with broker.connect() as connection, pytest.raises(framebroker.RefusedError, match="--source producer"):
        produce(connection)


def test_a_forked_child_cannot_produce(empty: BrokerProcess) -> None:
    with empty.connect() as broker, produce(broker) as producer:
        blank = producer.take(5)
        blank.array[:] = 3

        def child() -> None:
            for use in (
                lambda: blank.array,
                lambda: blank.address,
                blank.publish,
                blank.keep,
                producer.take,
                producer.check,
                lambda: producer.publish(1000),
            ):
                with pytest.raises(framebroker.ForkedError):
                    use()

        in_child(child)
        blank.publish()
        wait_until(lambda: broker.streams()[0].head == 1, "the frame")

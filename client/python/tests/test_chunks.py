"""Goal: what a camera sends with an image is there by name, as plain values of Python. Method: chunk lists written from
PROTOCOL.md by a producer, right and wrong ones."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import framebroker
import pytest
from conftest import BrokerProcess, StartBroker
from test_fork import in_child

# Python 3.12 warns of forks beside threads, which is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

VALUES: dict[str, int | float | bool | str | bytes] = {
    "ChunkTimestamp": -(1 << 63),
    "ChunkExposureTime": 1500.5,
    "ChunkSyncLocked": True,
    "ChunkPixelFormat": "Mono8 ü",
    "ChunkBlob": b"\0\1\2",
}
IMAGE_BYTES = 16


def chunk(name: str, kind: int, value: bytes) -> bytes:
    encoded = name.encode()
    return struct.pack("<BBH", kind, len(encoded), len(value)) + encoded + value


def encoded(value: int | float | bool | str | bytes) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return 2, bytes([value])
    if isinstance(value, int):
        return 0, struct.pack("<q", value)
    if isinstance(value, float):
        return 1, struct.pack("<d", value)
    return (3, value.encode()) if isinstance(value, str) else (4, value)


def listed(*chunks: bytes) -> bytes:
    return b"FBCHUNK1" + struct.pack("<I", len(chunks)) + b"".join(chunks)


ALL = listed(*(chunk(name, *encoded(value)) for name, value in VALUES.items()))

Camera = tuple[framebroker.Producer, framebroker.Subscription]


@pytest.fixture
def camera(start_broker: StartBroker) -> Iterator[Camera]:
    process: BrokerProcess = start_broker("--source", "producer", "--segments", 6)
    with (
        process.connect() as broker,
        broker.produce("cam0", width=4, height=4, pixel_format="Mono8", payload_bytes=4096) as producer,
        broker.subscribe("cam0") as subscription,
    ):
        yield producer, subscription


def sent(camera: Camera, chunks: bytes) -> framebroker.Frame:
    producer, subscription = camera
    blank = producer.take(10)
    blank.data[IMAGE_BYTES : IMAGE_BYTES + len(chunks)] = chunks
    blank.publish(image_bytes=IMAGE_BYTES, chunk_bytes=len(chunks))
    return subscription.next(10)


def test_every_kind_of_chunk_is_there_by_name(camera: Camera) -> None:
    frame = sent(camera, ALL)
    chunks = frame.chunks
    assert chunks == VALUES and list(chunks) == list(VALUES)
    assert [type(value) for value in chunks.values()] == [type(value) for value in VALUES.values()]
    assert chunks.get("ChunkGain") is None
    # They are the program's own: no view of the frame.
    chunks.clear()
    kept = frame.chunks
    frame.release()
    assert kept == VALUES
    with pytest.raises(framebroker.ReleasedError):
        frame.chunks  # noqa: B018


def test_the_first_of_a_name_counts_and_kinds_to_come_are_bytes(camera: Camera) -> None:
    names = chunk("ChunkGain", *encoded(1)), chunk("ChunkGain", *encoded(2)), chunk("ChunkNew", 200, b"x")
    assert sent(camera, listed(*names)).chunks == {"ChunkGain": 1, "ChunkNew": b"x"}


@pytest.mark.parametrize(
    "data", [b"", b"the camera's own form", ALL[:-1], ALL + b"\0", listed(chunk("a", 2, b"\2"))], ids=len
)
def test_what_is_no_chunk_list_is_left_to_chunk_data(camera: Camera, data: bytes) -> None:
    frame = sent(camera, data)
    assert frame.chunks == {} and frame.chunk_data == data


def test_a_forked_child_sees_none(camera: Camera) -> None:
    frame = sent(camera, ALL)

    def child() -> None:
        with pytest.raises(framebroker.ForkedError):
            frame.chunks  # noqa: B018

    in_child(child)
    assert frame.chunks == VALUES

"""Goal: frames as real cameras make them, padded, incomplete, with chunk data or of unknown formats, are shown right or
refused. Method: a broker in the test that sends them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import framebroker
import numpy as np
import pytest
from fake_broker import FakeBroker, Header, text
from framebroker import Frame, PixelFormat, Subscription

RAMP = bytes(range(256)) * 4
RGB16 = PixelFormat("RGB16").code
MONO12 = PixelFormat("Mono12").code
MONO12P = PixelFormat("Mono12p").code


@pytest.fixture
def fake() -> Iterator[FakeBroker]:
    fake = FakeBroker()
    yield fake
    fake.close()


@pytest.fixture
def subscription(fake: FakeBroker) -> Iterator[Subscription]:
    with framebroker.Broker(fake.path) as broker, broker.subscribe("cam0", delivery="socket") as subscription:
        yield subscription


def sent(fake: FakeBroker, subscription: Subscription, header: Header, payload: bytes = RAMP) -> Frame:
    fake.send(replace(header, payload_bytes=header.payload_bytes or len(payload)), payload)
    return subscription.next(10)


@pytest.mark.parametrize(("number", "state"), [(0, "offline"), (1, "live"), (2, "closed"), (3, "offline")])
def test_an_unknown_state_is_offline(fake: FakeBroker, number: int, state: str) -> None:
    fake.state = number
    with framebroker.Broker(fake.path) as broker:
        assert broker.streams()[0].state == state


def test_rows_with_padding(fake: FakeBroker, subscription: Subscription) -> None:
    frame = sent(fake, subscription, Header(width=5, height=4, stride=8), RAMP[:29])
    expected = [[row * 8 + column for column in range(5)] for row in range(4)]
    assert frame.array.strides == (8, 1) and frame.array.tolist() == expected
    assert memoryview(frame).tolist() == expected and not memoryview(frame).contiguous
    assert frame.copy().flags.c_contiguous and frame.copy().tolist() == expected
    assert np.array_equal(np.from_dlpack(frame), expected)
    assert bytes(frame.data) == RAMP[:29]
    assert list(frame.to_pil().tobytes()) == sum(expected, [])


def test_channels_of_two_bytes_with_padding(fake: FakeBroker, subscription: Subscription) -> None:
    frame = sent(fake, subscription, Header(width=2, height=2, stride=15, pixel_format=RGB16), RAMP[:27])
    assert frame.array.dtype == np.uint16 and frame.array.strides == (15, 6, 2)
    row = [[0x0100, 0x0302, 0x0504], [0x0706, 0x0908, 0x0B0A]]
    second = [[value + 15 * 0x0101 for value in pixel] for pixel in row]
    assert frame.array.tolist() == [row, second]
    with pytest.raises(BufferError, match="do not begin on an element"):
        np.from_dlpack(frame)
    assert np.array_equal(np.from_dlpack(frame, copy=True), [row, second])


def test_packed_rows_with_padding(fake: FakeBroker, subscription: Subscription) -> None:
    payload = bytes([0x34, 0x12, 0x0A, 0, 0xFF, 0, 0xFF, 0xFF, 0x01, 0xF0])
    frame = sent(fake, subscription, Header(width=3, height=2, stride=5, pixel_format=MONO12P), payload)
    assert frame.unpack().tolist() == [[0x234, 0x0A1, 0xF00], [0xF00, 0xFFF, 0x001]]
    assert frame.array.tolist() == list(payload) and frame.shape == (10,)


def test_metadata(fake: FakeBroker, subscription: Subscription) -> None:
    header = Header(
        context=(77 << 16), usage_count=3, camera_timestamp_ns=11, monotonic_ns=22, realtime_ns=33, block_id=44,
        payload_bytes=32, chunk_offset=40, chunk_bytes=4, width=8, height=4, stride=8, offset_x=6, offset_y=7, status=1,
        lost_at_camera=5, settings_version=9, pixel_format=PixelFormat("BayerGB8").code,
    )  # fmt: skip
    frame = sent(fake, subscription, header)
    assert (frame.context, frame.sequence, frame.buffer_context, frame.usage_count) == (77 << 16, 77, 1000, 3)
    assert (frame.camera_timestamp_ns, frame.monotonic_ns, frame.realtime_ns, frame.block_id) == (11, 22, 33, 44)
    assert (frame.width, frame.height, frame.stride, frame.offset_x, frame.offset_y) == (8, 4, 8, 6, 7)
    assert (frame.status, frame.is_complete, frame.lost_at_camera, frame.settings_version) == (
        "incomplete",
        False,
        5,
        9,
    )
    assert (frame.pixel_format, frame.nbytes, frame.shape) == (PixelFormat("BayerGB8"), 32, (4, 8))
    assert frame.age_ns > 0 and "77" in repr(frame) and "8x4 BayerGB8" in repr(frame)
    assert frame.chunk_data == RAMP[40:44]
    frame.release()
    assert frame.sequence == 77 and "given back" in repr(frame)
    assert fake.released.get(timeout=10) == 77 << 16


def test_nothing_that_is_not_there(fake: FakeBroker, subscription: Subscription) -> None:
    frame = sent(fake, subscription, Header(width=3, height=3, pixel_format=MONO12P), RAMP[:14])
    assert (frame.camera_timestamp_ns, frame.block_id, frame.stride, frame.chunk_data) == (None, None, None, b"")
    assert frame.is_complete and frame.status == "complete"


def test_unknown_formats_are_bytes(fake: FakeBroker, subscription: Subscription) -> None:
    frame = sent(fake, subscription, Header(width=4, height=4, pixel_format=0x010E_7777), RAMP[:28])
    assert frame.array.tolist() == list(RAMP[:28]) and frame.unpack().tolist() == list(RAMP[:28])
    with pytest.raises(ValueError, match="0x010E7777"):
        frame.to_pil()


@pytest.mark.parametrize(
    "header",
    [
        Header(width=8, height=5, stride=8),
        Header(width=8, height=4, stride=7),
        Header(width=8, height=4, stride=9),
        Header(width=8, height=4, pixel_format=MONO12),
        Header(width=0xFFFF_FFFF, height=0xFFFF_FFFF, stride=0xFFFF_FFFF),
        Header(width=8, height=0xFFFF_FFFF),
    ],
)
def test_pixels_that_do_not_fit_are_refused(fake: FakeBroker, subscription: Subscription, header: Header) -> None:
    frame = sent(fake, subscription, header, RAMP[:32])
    for use in (lambda: frame.array, frame.copy, frame.unpack, frame.to_pil, lambda: np.asarray(frame)):
        with pytest.raises(ValueError, match="32 bytes"):
            use()
    with pytest.raises(BufferError, match="32 bytes"):
        memoryview(frame)
    with pytest.raises(BufferError, match="32 bytes"):
        np.from_dlpack(frame)
    assert bytes(frame.data) == RAMP[:32]


@pytest.mark.parametrize("stride", [0, 2])
def test_packed_pixels_that_do_not_fit_are_refused(fake: FakeBroker, subscription: Subscription, stride: int) -> None:
    header = Header(width=3, height=9, stride=stride, pixel_format=MONO12P)
    with pytest.raises(ValueError, match="3x9 Mono12p"):
        sent(fake, subscription, header, RAMP[:32]).unpack()


@pytest.mark.parametrize("width,height", [(0, 4), (4, 0), (0, 0)])
def test_images_without_pixels(fake: FakeBroker, subscription: Subscription, width: int, height: int) -> None:
    frame = sent(fake, subscription, Header(width=width, height=height), RAMP[:8])
    assert frame.array.shape == frame.copy().shape == np.from_dlpack(frame).shape == (height, width)


def test_a_header_that_lies_is_an_error_and_not_the_end(fake: FakeBroker, subscription: Subscription) -> None:
    fake.send(Header(width=8, height=4, payload_bytes=1 << 40), RAMP)
    with pytest.raises(framebroker.ProtocolError, match="wrong"):
        subscription.next(10)
    assert sent(fake, subscription, Header(context=2 << 16, width=8, height=4)).sequence == 2


def test_a_camera_goes_and_an_eviction_is_told(fake: FakeBroker, subscription: Subscription) -> None:
    fake.tell(0, 6, b"\1\0\0\0" + text("unplugged"))
    with pytest.raises(framebroker.WaitTimeoutError, match="unplugged") as timeout:
        subscription.next(0.3)
    assert timeout.value.waiting_for == "source" and subscription.offline_reason == "unplugged"
    assert subscription.state == "offline"
    fake.tell(0, 9, b"\1\0\0\0" + text("held too long"))
    with pytest.raises(framebroker.EvictedError, match="held too long") as evicted:
        subscription.next(10)
    assert evicted.value.reason == "held too long"

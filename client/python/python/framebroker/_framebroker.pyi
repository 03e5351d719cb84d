"""Types of the native part of framebroker. Kept in step with it by mypy's stubtest."""

import os
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from types import FrameType
from typing import Any, Literal, Self, TypeAlias, final

import numpy
import numpy.typing
from PIL import Image
from typing_extensions import CapsuleType

__all__ = [
    "Blank",
    "Broker",
    "ClientStats",
    "Counters",
    "Feature",
    "Frame",
    "FrameRef",
    "FrameSet",
    "Holder",
    "KeptSegment",
    "MappedSegment",
    "PixelFormat",
    "Producer",
    "SegmentStats",
    "Setting",
    "SettingsChange",
    "SoleControl",
    "StreamInfo",
    "StreamStats",
    "Subscription",
    "SubscriptionStats",
    "SyncStats",
    "SyncedSubscription",
    "Timing",
    "__version__",
]

__version__: str

_Policy: TypeAlias = Literal["sequential", "latest", "upcoming", "lossless"]
_Delivery: TypeAlias = Literal["shared", "socket"]
_Start: TypeAlias = Literal["next", "oldest"]
_WaitMode: TypeAlias = Literal["block", "spin", "spin-then-block", "predictive"]
_State: TypeAlias = Literal["live", "offline", "closed"]
_Kind: TypeAlias = Literal["integer", "float", "boolean", "enumeration", "string", "command"]
_Access: TypeAlias = Literal["read-write", "read-only", "write-only", "execute", "locked", "not available"]
_Visibility: TypeAlias = Literal["beginner", "expert", "guru", "invisible"]
_SyncBy: TypeAlias = Literal["arrival", "camera-time", "block-id"]

@final
class PixelFormat:
    """How pixels are stored: a format of the GenICam Pixel Format Naming Convention (PFNC), by name or by code.

    ``PixelFormat("Mono8")`` and ``PixelFormat(0x01080001)`` are equal. A code that is not known is not an error: the
    frames of such a format are bytes.
    """

    @staticmethod
    def all() -> list[PixelFormat]:
        """Every format that is known."""

    @property
    def name(self) -> str:
        """The PFNC name, or the code in hexadecimal where it is not known."""

    @property
    def code(self) -> int:
        """The PFNC code."""

    @property
    def bits_per_pixel(self) -> int:
        """Bits a pixel takes in memory, padding included; 0 where the code does not say."""

    @property
    def significant_bits(self) -> int | None:
        """Bits of a value: 10 for ``Mono10`` and ``Mono10p``; ``None`` where the format is not known."""

    @property
    def channels(self) -> int:
        """Values of a pixel in ``Frame.array``: 1, 3 or 4, and 2 for 4:2:2; 1 where the format is not known."""

    @property
    def dtype(self) -> str:
        """NumPy's name for the elements of ``Frame.array``: ``"uint8"`` or ``"uint16"``."""

    @property
    def unpacked_dtype(self) -> str:
        """NumPy's name for the elements of ``Frame.unpack()``."""

    @property
    def is_packed(self) -> bool:
        """Whether pixels share bytes, so that ``Frame.array`` is the bytes and ``Frame.unpack()`` the pixels."""

    @property
    def is_known(self) -> bool:
        """Whether anything but its size is known."""

    @property
    def samples(self) -> str | None:
        """What the values of a pixel are, in memory order: ``"Mono"``, ``"RGB"``, ``"BGR"``, ``"RGBA"``, ``"BGRA"``,
        for a colour filter its first two colours as in ``"BayerRG"``, ``"YUYV"`` or ``"UYVY"``; ``None`` where it is
        not known.
        """

    def image_bytes(self, width: int, height: int) -> int | None:
        """Bytes of an image of so many pixels, without padding between its rows; ``None`` where the code does not
        say."""

    def __new__(cls, format: str | int | PixelFormat) -> Self: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class FrameRef:
    """The address of a frame: what to hand to other threads and processes, which get that frame by it
    (:meth:`Broker.acquire`, :meth:`Subscription.acquire`) or an exception, never another frame. Can be pickled,
    compared, sorted and used as a key.

    ``str()`` gives a text, as ``9f3c0a1b2c3d4e5f/cam0/589832``, which :meth:`parse` and other languages read.
    """

    def __new__(cls, broker_id: int, stream: str, context: int) -> Self: ...
    @classmethod
    def parse(cls, text: str) -> FrameRef:
        """The address that a text says. Raises ``ValueError`` where it is none."""

    @property
    def broker_id(self) -> int:
        """Which run of a broker the frame is of."""

    @property
    def stream(self) -> str:
        """The stream's name."""

    @property
    def context(self) -> int:
        """Which of the stream's frames."""

    @property
    def sequence(self) -> int:
        """The frame's number in its stream."""

    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __lt__(self, value: FrameRef, /) -> bool: ...
    def __le__(self, value: FrameRef, /) -> bool: ...
    def __gt__(self, value: FrameRef, /) -> bool: ...
    def __ge__(self, value: FrameRef, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Frame:
    """A frame: what the camera saw, when, and how it lies in memory.

    Its bytes are the ones the camera's driver wrote, read-only and not copied. While the frame is held, its segment is
    not filled again. It is given back by :meth:`release`, at the end of a ``with`` block, or when the object goes; but
    only when no array, memoryview or tensor made of it is left. Metadata stay for ever.

    May be used by any number of threads.
    """

    @property
    def array(self) -> numpy.typing.NDArray[Any]:
        """The pixels as a NumPy array, read-only and not copied.

        ``(height, width)`` of grey values and colour filters, ``(height, width, channels)`` of colours and of 4:2:2
        (two values for each pixel); ``uint8``, or ``uint16`` for more than 8 bits. Rows may have padding between them.
        For packed and unknown formats all bytes in one dimension: see :meth:`unpack`.
        """

    @property
    def data(self) -> memoryview:
        """All bytes of the image as a flat, read-only memoryview."""

    @property
    def chunk_data(self) -> bytes:
        """The chunk data that the camera sent behind the image; empty if it sent none."""

    @property
    def chunks(self) -> dict[str, int | float | bool | str | bytes]:
        """What the camera sent with the image, as its time of exposure: by name, as ``int``, ``float``, ``bool``,
        ``str`` or ``bytes``, in the units of the features that the chunks are named after. A dictionary of its own,
        read when it is asked for; the values stay when the frame is given back.

        Empty if the camera sent none, or in a form of its own: :attr:`chunk_data` has the bytes.
        """

    def copy(self) -> numpy.typing.NDArray[Any]:
        """A copy of the pixels as a NumPy array: writable, without padding, and the frame's no more."""

    def unpack(self) -> numpy.typing.NDArray[Any]:
        """The pixels of a packed format as a NumPy array of its own, ``uint16`` with the values as the camera sent
        them. Other formats are copied: whatever the format, the result is the pixels.
        """

    def to_pil(self) -> Image.Image:
        """An image of its own for Pillow: ``"L"``, ``"RGB"``, ``"RGBA"``, or ``"I;16"`` for grey values of more than 8
        bits.
        Colour filters stay as they are, 4:2:2 becomes RGB, ``RGB16`` loses its low bits.
        """

    def release(self) -> None:
        """Gives the frame back. Does nothing if that was done before, and in a forked child.

        Raises ``BufferError`` while arrays, memoryviews or tensors made of the frame live.
        """

    @property
    def is_held(self) -> bool:
        """Whether :meth:`release` has not been called, nor a ``with`` block left: whether there are bytes to be had."""

    @property
    def taken_at(self) -> str | None:
        """``file:line`` that took the frame; ``None`` once it was given back."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of :attr:`array`. Raises :class:`ReleasedError` once the frame was given back."""

    @property
    def ref(self) -> FrameRef:
        """The frame's address: what to hand to other threads and processes, as it is or as ``str(frame.ref)``. They get
        this frame by :meth:`Broker.acquire`, as long as somebody holds it."""

    @property
    def stream(self) -> str:
        """Name of the stream it is of."""

    @property
    def broker_id(self) -> int:
        """Which run of a broker it is of."""

    @property
    def context(self) -> int:
        """The context ID, ``sequence << 16 | segment``: names the frame within its stream and in the life of its
        broker, in every process. :attr:`ref` names it everywhere."""

    @property
    def sequence(self) -> int:
        """The frame's number in its stream: 1, 2, 3, … Gaps are frames that this subscription did not get."""

    @property
    def buffer_context(self) -> int:
        """1000 + index of the segment that the frame lies in."""

    @property
    def usage_count(self) -> int:
        """How many times this segment was published, this frame included."""

    @property
    def camera_timestamp_ns(self) -> int | None:
        """The camera's own timestamp in ns, by its own clock; ``None`` where it has none."""

    @property
    def monotonic_ns(self) -> int:
        """``time.monotonic_ns()`` of this machine when the frame was complete in memory."""

    @property
    def realtime_ns(self) -> int:
        """``time.time_ns()`` of this machine when the frame was complete in memory."""

    @property
    def age_ns(self) -> int:
        """Ns since the frame was complete in memory."""

    @property
    def block_id(self) -> int | None:
        """The camera's block ID; ``None`` where it has none."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""

    @property
    def stride(self) -> int | None:
        """Bytes from row to row; ``None`` for packed formats whose rows do not begin on a byte."""

    @property
    def offset_x(self) -> int:
        """Left edge on the sensor in pixels."""

    @property
    def offset_y(self) -> int:
        """Upper edge on the sensor in pixels."""

    @property
    def pixel_format(self) -> PixelFormat:
        """How pixels are stored."""

    @property
    def nbytes(self) -> int:
        """Bytes of the image."""

    @property
    def status(self) -> Literal["complete", "incomplete"]:
        """``"complete"``, or ``"incomplete"``: a part was lost between camera and broker."""

    @property
    def is_complete(self) -> bool:
        """Whether every packet of the frame arrived."""

    @property
    def lost_at_camera(self) -> int:
        """Frames lost between camera and broker since the frame before."""

    @property
    def settings_version(self) -> int:
        """Raised by every change of a camera setting: a frame with the version of a change (:attr:`Setting.version`),
        or a later one, was exposed after that change: see :meth:`is_exposed_with`. Up to three frames right after it
        keep the version before, as their exposure may have begun earlier; none where the camera exposes for software
        triggers only, and was not exposing.
        """

    def is_exposed_with(self, setting: Setting | SettingsChange | int) -> bool:
        """Whether it was exposed with a setting, or with a later one. Where that is not known, as of a frame that was
        under way when the camera was set, it is false.

        ``setting``: what :meth:`Broker.set_feature` gave, news of a change, or a settings version.
        """

    def __array__(
        self,
        dtype: numpy.typing.DTypeLike | None = None,
        copy: bool | None = None,
    ) -> numpy.typing.NDArray[Any]:
        """For NumPy: ``numpy.asarray(frame)`` is :attr:`array`, or raises what that raises."""

    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> CapsuleType:
        """For libraries that speak DLPack, as ``torch.from_dlpack(frame)``: the pixels, marked read-only.

        Raises ``BufferError`` for a consumer older than DLPack 1.0, which cannot be told that a tensor is read-only,
        unless it asks for a copy.
        """

    def __dlpack_device__(self) -> tuple[int, int]:
        """For libraries that speak DLPack: the memory of the CPU."""

    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
    def _unpacked(self) -> bytearray | None: ...

@final
class Blank:
    """A segment that is this program's alone to fill. Made by :meth:`Producer.take`.

    Write into :attr:`array` or :attr:`data`, or have something else write at :attr:`address`; then :meth:`publish`
    makes it a frame. A segment that is dropped unpublished, or whose ``with`` block ends before, is spare for the next
    ``take``.
    """

    @property
    def array(self) -> numpy.typing.NDArray[Any]:
        """The pixels as a writable NumPy array, in the shape of the frames that the producer said it fills."""

    @property
    def data(self) -> memoryview:
        """All bytes of the segment as a flat, writable memoryview."""

    @property
    def buffer_context(self) -> int:
        """1000 + index of the segment."""

    @property
    def address(self) -> int:
        """Where it begins in the memory of this process. Valid until it is published."""

    @property
    def nbytes(self) -> int:
        """Bytes there are: as many as the producer said its largest frame has."""

    def publish(
        self,
        width: int | None = None,
        height: int | None = None,
        pixel_format: str | int | PixelFormat | None = None,
        *,
        stride: int | None = None,
        offset_x: int = 0,
        offset_y: int = 0,
        image_bytes: int | None = None,
        chunk_bytes: int = 0,
        camera_timestamp_ns: int | None = None,
        block_id: int | None = None,
        complete: bool = True,
        lost_at_camera: int = 0,
    ) -> None:
        """Makes it a frame.

        What is not given is as the producer said. ``stride``: bytes from row to row, 0 for rows that do not begin on a
        byte. Raises ``BufferError`` while arrays or memoryviews of the segment live, :class:`InvalidFrameError`,
        :class:`StoppedError`, :class:`ReleasedError`.
        """

    def keep(self) -> KeptSegment:
        """Leaves it to whoever fills it by its address; :meth:`Producer.publish` makes it a frame."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class KeptSegment:
    """A segment that is filled by whoever has its address. It stays mapped while this object lives."""

    @property
    def buffer_context(self) -> int:
        """1000 + index of the segment."""

    @property
    def address(self) -> int:
        """Where it begins in the memory of this process."""

    @property
    def nbytes(self) -> int:
        """Bytes there are."""

@final
class Producer:
    """Fills the segments of a stream in place of one of the broker's cameras. Made by :meth:`Broker.produce`.

    A stream has one producer at a time. It is a context manager: at the end of its ``with`` block the stream's readers
    wait for the next producer. Threads may share it: one may wait in :meth:`take` while another calls :meth:`publish`.
    """

    def take(self, timeout: float | None = None) -> Blank:
        """Waits for a segment to fill: for at most ``timeout`` seconds, or with ``None`` as long as it takes."""

    def try_take(self) -> Blank | None:
        """A segment to fill if there is one now, else ``None``."""

    def publish(
        self,
        buffer_context: int,
        width: int | None = None,
        height: int | None = None,
        pixel_format: str | int | PixelFormat | None = None,
        *,
        stride: int | None = None,
        offset_x: int = 0,
        offset_y: int = 0,
        image_bytes: int | None = None,
        chunk_bytes: int = 0,
        camera_timestamp_ns: int | None = None,
        block_id: int | None = None,
        complete: bool = True,
        lost_at_camera: int = 0,
    ) -> None:
        """Makes a segment that was taken and kept a frame. The other words are those of :meth:`Blank.publish`."""

    def check(self) -> None:
        """Whether the broker still takes what is filled: raises what :meth:`take` would, if not."""

    def change(
        self,
        *,
        width: int | None = None,
        height: int | None = None,
        pixel_format: str | int | PixelFormat | None = None,
        payload_bytes: int | None = None,
        fps: float | None = None,
    ) -> None:
        """Says that the frames change: to another geometry, or a size that needs other segments."""

    def segments(self) -> list[MappedSegment]:
        """Every segment that is lent now or will be again, and where it is mapped, for writing."""

    def close(self) -> None:
        """Ends it. Readers of the stream wait for the next producer."""

    @property
    def first_sequence(self) -> int:
        """The sequence that the first frame gets, since the producer was made or its frames changed."""

    @property
    def name(self) -> str:
        """The stream's name."""

    @property
    def width(self) -> int:
        """Of its frames, in pixels, unless a frame says otherwise."""

    @property
    def height(self) -> int:
        """Of its frames, in pixels, unless a frame says otherwise."""

    @property
    def pixel_format(self) -> PixelFormat:
        """How pixels are stored, unless a frame says otherwise."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class Subscription:
    """Frames of one stream. Made by :meth:`Broker.subscribe`.

    A loop over it gets frame after frame and ends when the stream does, or at :meth:`close`; ``async for`` does so in
    asyncio. It is a context manager: at the end of its ``with`` block the subscription ends, while frames that are
    held stay as they are.

    Threads may share it: they take turns, each frame goes to one of them.
    """

    def next(self, timeout: float | None = None) -> Frame:
        """Waits for the next frame of the policy: for at most ``timeout`` seconds, or with ``None`` as long as it
        takes.

        Frames published before a stream ended or a broker died come before the exception. Raises
        :class:`WaitTimeoutError`, :class:`HeldFramesError`, :class:`StreamClosedError`, :class:`EvictedError`,
        :class:`BrokerGoneError`, :class:`ClosedError`, :class:`ForkedError`, :class:`ProtocolError`.
        """

    def next_with(self, setting: Setting | SettingsChange | int, timeout: float | None = None) -> Frame:
        """Waits for the next frame that was exposed with a setting or with a later one, as :meth:`next` does, and
        passes over those before it: ``subscription.next_with(broker.set_feature("cam0", "Gain", 6), timeout=1)``.

        ``setting``: what :meth:`Broker.set_feature` gave, news of a change, or a settings version.

        Where the camera waits for triggers, trigger it after it was set and before this is called. Of a camera that
        runs freely or is triggered by hardware up to three frames after a setting are passed over: they may have been
        exposed before it.

        Raises as :meth:`next` does; :class:`WaitTimeoutError` tells how far it came.
        """

    def try_next(self) -> Frame | None:
        """The next frame if there is one now, else ``None``. After ``None`` :meth:`fileno` becomes readable with the
        next news.

        Does not wait: with ``reconnect`` a thread joins the next broker meanwhile. While another thread waits in
        :meth:`next`, there is nothing for this one.
        """

    def next_async(self, timeout: float | None = None) -> Awaitable[Frame]:
        """Waits for the next frame in asyncio: ``frame = await subscription.next_async()``. As :meth:`next` else."""

    def acquire(self, frame: FrameRef | int) -> Frame:
        """Holds one certain frame, whatever the policy: by its address (:attr:`Frame.ref`), from whatever thread or
        process that comes.

        A bare context ID does too, but nobody can check that it is of this stream and this run of the broker: if it is
        not, it may name another frame here.

        Raises :class:`FrameGoneError` if it was retired, never was, or is of another run of the broker,
        :class:`OtherStreamError`, else as :meth:`next`.
        """

    def next_change(self) -> SettingsChange | None:
        """What somebody has changed in the camera's settings: the oldest news not asked for yet; ``None`` if there is
        none.

        Does not wait: news are heard while frames are asked for, at least five times a second; the newest 64 are kept.
        While another thread waits in :meth:`next`, there is nothing for this one. Frames need no such news: each has
        its own geometry and ``settings_version``.
        """

    def close(self) -> None:
        """Ends the subscription; one that was joined with others ends with them. Frames that are held stay as they
        are; a thread that waits is told within a quarter of a second.
        """

    def fileno(self) -> int:
        """A descriptor that is readable whenever :meth:`try_next` may have something to say: for ``select``,
        ``selectors`` and event loops. When it is readable, call :meth:`try_next` until it gives ``None``. The same for
        the life of the subscription, over reconnections too.
        """

    def mappings(self) -> list[MappedSegment]:
        """The segments that are mapped."""

    @property
    def name(self) -> str:
        """The stream's name."""

    @property
    def info(self) -> StreamInfo:
        """The stream as it was when the subscription began. Every frame has its own geometry."""

    @property
    def counters(self) -> Counters:
        """Frames received, lost and skipped. Reconnections go on counting."""

    @property
    def state(self) -> _State:
        """Whether frames can come now: ``"live"``, ``"offline"`` (the camera is away) or ``"closed"`` (they never
        will)."""

    @property
    def offline_reason(self) -> str | None:
        """Why the camera is away, as far as the broker has told; ``None`` while it is there."""

    @property
    def demotion_reason(self) -> str | None:
        """Why the broker no longer waits for this lossless subscription; ``None`` while it does."""

    @property
    def policy(self) -> _Policy:
        """The policy in force: ``"sequential"`` after a demotion from ``"lossless"``."""

    @property
    def delivery(self) -> _Delivery:
        """By which way frames come."""

    @property
    def max_held(self) -> int:
        """Frames that may be held at once."""

    @property
    def held(self) -> int:
        """Frames that are held now, by themselves or by arrays, memoryviews and tensors."""

    @property
    def held_frames(self) -> list[tuple[int, str]]:
        """Context ID of each frame that is held, and the ``file:line`` that took it."""

    @property
    def reconnects(self) -> int:
        """How often the subscription went on at another broker. Sequences and context IDs begin anew with each."""

    @property
    def broker_id(self) -> int:
        """Which run of a broker the frames come from."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Frame: ...
    def __aiter__(self) -> AsyncIterator[Frame]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
    def _try_next_for(self, caller: FrameType) -> Frame | None: ...
    def _late(self, timeout: float) -> BaseException: ...
    def _awaited(self) -> tuple[list[int], float]: ...

@final
class FrameSet:
    """Frames of several streams that belong together, a place for each stream: ``left, right = pairs.next()``.

    It is a context manager: at the end of its ``with`` block all its frames are given back, as frames do at the end of
    theirs.
    """

    @property
    def frames(self) -> tuple[Frame | None, ...]:
        """A :class:`Frame` of each stream, in the order of the subscriptions; ``None`` where the set is incomplete."""

    @property
    def skew_ns(self) -> int:
        """How far apart its frames are in ns: at most the tolerance, 0 where they are matched by block ID."""

    @property
    def is_complete(self) -> bool:
        """Whether every stream has a frame in it."""

    def release(self) -> None:
        """Gives all frames back. Raises ``BufferError`` where arrays, memoryviews or tensors of one live; the others
        are given back nevertheless.
        """

    def __len__(self) -> int: ...
    # Any: of a complete set they are frames, and who has dropped the others need not say so at each.
    def __getitem__(self, index: int, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class SyncedSubscription:
    """Several subscriptions, whose frames are handed out in sets that belong together.

    The subscriptions are its own from then on: they tell how they are, but only this hands out frames, and closing one
    of them closes it. A loop over it gets set after set and ends when all streams have; ``async for`` does so in
    asyncio. It is a context manager: at the end of its ``with`` block the subscriptions end, while frames that are held
    stay as they are. Threads may share it: they take turns.

    A stream that is ahead waits with its frames held, at most its subscription's ``max_held``. Subscribe with as many
    as the streams may be apart, plus those of the sets that you keep. Where a stream can hold no more, of the frames
    that wait all but the last are given up, as incomplete sets. One that is offline or has ended is not waited for.
    """

    def __new__(
        cls,
        subscriptions: Iterable[Subscription],
        *,
        by: _SyncBy = "arrival",
        tolerance: float | None = None,
        incomplete: Literal["drop", "deliver"] = "drop",
        patience: float = 0.5,
    ) -> Self:
        """Joins subscriptions, each with terms of its own. Policy ``"sequential"`` usually fits.

        ``by``: what makes frames belong together: ``"arrival"`` (the time at which they were complete in this machine's
        memory), ``"camera-time"`` (the cameras' own times, for those whose clocks are set by one another, and
        recordings of them) or ``"block-id"`` (the same number of the camera's, for those that are started together and
        triggered by one signal).
        ``tolerance``: seconds that times may be apart: below half the time between two frames.
        ``incomplete``: what happens to a set in which a stream has no frame: ``"drop"`` (given back and counted) or
        ``"deliver"`` (handed out, with ``None`` in that stream's place).
        ``patience``: seconds that the first frame of a set waits for the others.

        Raises ``ValueError``, :class:`ClosedError`, :class:`JoinedError`.
        """

    def next(self, timeout: float | None = None) -> FrameSet:
        """Waits for the next set: for at most ``timeout`` seconds, or with ``None`` as long as it takes.

        Raises :class:`WaitTimeoutError`, :class:`HeldFramesError`, :class:`StreamClosedError` (all streams have ended),
        :class:`NotComparableError`, :class:`EvictedError`, :class:`BrokerGoneError`, :class:`ClosedError`,
        :class:`ForkedError`, :class:`ProtocolError`.
        """

    def try_next(self) -> FrameSet | None:
        """The next set if there is one now, else ``None``. Does not wait, but as :meth:`Subscription.try_next` does.
        While another thread waits in :meth:`next`, there is nothing for this one.
        """

    def next_async(self, timeout: float | None = None) -> Awaitable[FrameSet]:
        """Waits for the next set in asyncio: ``left, right = await pairs.next_async()``. As :meth:`next` else."""

    def close(self) -> None:
        """Ends the subscriptions. Frames that are held stay as they are; a thread that waits is told within a quarter
        of a second.
        """

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The subscriptions that were joined, for their counters, states and news of changed settings."""

    @property
    def stats(self) -> SyncStats:
        """What was matched so far."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> FrameSet: ...
    def __aiter__(self) -> AsyncIterator[FrameSet]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
    def _try_next_for(self, caller: FrameType) -> FrameSet | None: ...
    def _late(self, timeout: float) -> BaseException: ...
    def _awaited(self) -> tuple[list[int], float]: ...

@final
class Broker:
    """A connection to a broker, for questions, subscriptions and producers.

    When the broker has ended, the next question goes to the one that is there then: :attr:`id` tells which. What
    belonged to the connection, as sole control of a camera, is gone with the broker that gave it.

    Subscriptions and producers have connections of their own: they go on when this is closed. Threads may share it:
    they take turns.
    """

    def __new__(
        cls,
        socket: str | os.PathLike[str] | None = None,
        name: str | None = None,
        *,
        wait: float | None = 0.0,
        timeout: float = 5.0,
        server_uids: Sequence[int] = (),
        control: bool = False,
        max_acquired: int = 2,
    ) -> Self:
        """Connects to a broker.

        ``socket``: where it listens. Without it: the variable ``FRAMEBROKER_SOCKET``, else the first of
        ``$XDG_RUNTIME_DIR/framebroker.sock``, ``/run/framebroker/broker.sock`` and
        ``/tmp/framebroker-$UID/broker.sock`` on which a broker answers.
        ``name``: what this program is called in the broker's statistics and log; its own name if not given.
        ``wait``: seconds to wait for a broker that is not there yet; ``None``: as long as it takes.
        ``timeout``: seconds that connecting to a broker that is there, and every answer, may take.
        ``server_uids``: users to trust with a broker, beside this one and root. They can change frames while you read
        them.
        ``control``: whether this connection may change camera settings; the broker must allow it. Subscriptions never
        need it.
        ``max_acquired``: frames of one stream that :meth:`acquire` may hold at once, 1 to 64. Each costs the broker a
        segment.

        Raises :class:`NoBrokerError`, which lists every socket that was tried.
        """

    def streams(self) -> list[StreamInfo]:
        """All streams, as they are now."""

    def stats(self) -> list[StreamStats]:
        """Figures of all streams, as they are now."""

    def segments(self, stream: int) -> list[SegmentStats]:
        """Figures of a stream's segments, by the stream's number (``StreamInfo.id``): what each is doing and who holds
        its frame. Empty for a stream that does not exist.
        """

    def clients(self) -> list[ClientStats]:
        """Figures of all sessions, this one among them."""

    def ping(self) -> float:
        """Asks whether the broker is still there; gives the seconds the answer took."""

    def features(self, stream: str) -> list[Feature]:
        """All features of a stream's camera, in the camera's order, as they are now; none where its source has none. A
        real camera has hundreds, which takes seconds to read.

        Raises :class:`UnknownStreamError`, :class:`CameraFailedError`, :class:`RefusedError` (``code`` is ``"Busy"``
        where too many ask the camera at once).
        """

    def feature(self, stream: str, name: str) -> Feature:
        """One feature, as it is now: ``broker.feature("cam0", "ExposureTime").value``. Names are those of the GenICam
        SFNC as far as the camera keeps to it.

        Raises :class:`UnknownFeatureError`, else as :meth:`features`.
        """

    def set_feature(self, stream: str, name: str, value: float | bool | str) -> Setting:
        """Sets a feature, and reads it: the camera may have rounded the value. Readers of the stream need do nothing:
        each frame has its own geometry, and the ``settings_version`` it was exposed with.

        ``value``: an ``int``, ``float``, ``bool`` or ``str``, in the feature's unit. A text does for every kind: it is
        read as people write such values. Enumerations take the name of an entry.

        Raises :class:`ForbiddenError` unless this connection was made with ``control=True``, :class:`ControlledError`,
        :class:`NotAccessibleError`, :class:`InvalidValueError` (the text says what would do), else as :meth:`feature`.
        """

    def execute(self, stream: str, command: str) -> Setting:
        """Executes a command, as ``"TimestampReset"``. One that only triggers a frame raises no settings version: see
        :meth:`trigger`. Raises as :meth:`set_feature` does.
        """

    def trigger(self, stream: str, timeout: float | None = None) -> Frame:
        """Triggers a camera (``TriggerSoftware``) and waits for its frame, for at most ``timeout`` seconds from then
        on, or with ``None`` as long as it takes: the first that comes after the trigger. The camera waits for triggers:
        its ``TriggerMode`` is ``On``, its ``TriggerSource`` ``Software``.

        Subscribes to the stream when it is first called, on a connection of its own that is kept until :meth:`close`,
        for two frames: one may be held while the next is waited for. Threads that trigger the same camera take turns.

        Raises :class:`WaitTimeoutError` where no frame came, as where the camera ignored the trigger,
        :class:`HeldFramesError` where two frames of it are held, else as :meth:`execute`, :meth:`subscribe` and
        :meth:`Subscription.next`.
        """

    def take_control(self, stream: str) -> SoleControl:
        """Takes sole control of a stream's settings: others can read them, and are told who has it when they set one.
        For a block: ``with broker.take_control("cam0"): …``; else until :meth:`give_control`, or until this connection
        ends.

        Raises as :meth:`set_feature` does.
        """

    def give_control(self, stream: str) -> None:
        """Gives sole control back. Does nothing if nobody has it."""

    def subscribe(
        self,
        stream: str,
        *,
        policy: _Policy | None = None,
        max_held: int = 2,
        delivery: _Delivery = "shared",
        start: _Start = "next",
        wait_mode: _WaitMode = "block",
        spin: float | None = None,
        reconnect: bool = False,
    ) -> Subscription:
        """Subscribes to a stream, on a connection of its own. May take as long as the broker needs to allocate
        segments.

        ``policy``: which frames come: ``"sequential"`` (all, in order; those retired too early are counted lost),
        ``"latest"`` (the newest; those passed over are counted skipped), ``"upcoming"`` (the first published after each
        call) or ``"lossless"`` (all, and the ring waits within a bound). By default the stream's own: sequential, but
        for the broker's ``--grab-strategy``.
        ``max_held``: frames that may be held at once, 1 to 64. 2 lets a loop hold the last frame while it waits for the
        next. Each costs the broker a segment.
        ``delivery``: ``"shared"``, or ``"socket"`` with a message for each frame.
        ``start``: with the ``"next"`` frame that is published or the ``"oldest"`` that is still readable.
        ``wait_mode``: ``"block"``, ``"spin"`` (never sleeps), ``"spin-then-block"`` (spins for ``spin`` seconds, 50 µs
        if not given) or ``"predictive"`` (sleeps until shortly before the next frame is due): less latency for more
        processor time.
        ``reconnect``: whether to go on with the next broker when this one dies or ends.

        Raises :class:`UnknownStreamError`, :class:`NotAdmittedError` (the message says how many segments would do),
        :class:`StreamClosedError`, :class:`RefusedError`, :class:`NoBrokerError`, :class:`WaitTimeoutError`.
        """

    def produce(
        self,
        stream: str,
        *,
        width: int,
        height: int,
        pixel_format: str | int | PixelFormat,
        payload_bytes: int | None = None,
        min_queued: int = 2,
        fixed_pool: bool = False,
        can_pause: bool = False,
        fps: float | None = None,
        model: str = "producer",
        serial: str = "",
    ) -> Producer:
        """Becomes the producer of a stream of a broker that was started with ``--source producer``.

        ``width``, ``height``, ``pixel_format``: what the frames are like; without ``payload_bytes`` they say how large
        segments must be. ``min_queued``: segments that are needed at all times so as to lose nothing. ``fixed_pool``:
        whether no segment can come once it has begun. ``can_pause``: whether frames can be delayed. ``fps``, ``model``,
        ``serial``: to be shown.
        """

    def acquire(self, frame: FrameRef) -> Frame:
        """Holds the frame of an address (:attr:`Frame.ref`), from whatever thread or process that comes. Subscribes to
        its stream when a frame of it is first asked for, on a connection of its own, which is kept until :meth:`close`;
        then, and where the broker was started anew, it may take as long as :meth:`subscribe`. Threads may ask at once.

        Raises :class:`FrameGoneError` if it was retired, never was, or is of another run of the broker,
        :class:`HeldFramesError` where ``max_acquired`` of its stream are held, else as :meth:`subscribe` and
        :meth:`Subscription.next`.
        """

    def close(self) -> None:
        """Closes the connection. Subscriptions go on."""

    @property
    def socket(self) -> str:
        """The socket on which the broker answered."""

    @property
    def pid(self) -> int:
        """The broker's process; 0 where it is in a PID namespace that cannot be seen from here."""

    @property
    def id(self) -> int:
        """Which run of a broker this is: a broker started anew has another."""

    @property
    def client_id(self) -> int:
        """Names this connection in :meth:`clients`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class StreamInfo:
    """A stream, as it is at the moment. Every frame has a geometry of its own."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def id(self) -> int:
        """Its number in the broker."""

    @property
    def state(self) -> _State:
        """Whether frames can come: ``"live"``, ``"offline"`` (the camera is away) or ``"closed"``."""

    @property
    def source(self) -> str:
        """What fills it: ``"pattern"``, ``"aravis"``, …"""

    @property
    def model(self) -> str:
        """Vendor and model."""

    @property
    def serial(self) -> str:
        """Serial number; empty for none."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""

    @property
    def pixel_format(self) -> PixelFormat:
        """How pixels are stored."""

    @property
    def fps(self) -> float:
        """Nominal frames per second; 0 unknown, or as fast as possible."""

    @property
    def content(self) -> str:
        """``"pattern"`` if every byte can be verified, else ``"opaque"``."""

    @property
    def backing(self) -> str:
        """What its segments are made of: ``"memfd"``, ``"hugetlb"``, ``"posix"``, …"""

    @property
    def shared(self) -> bool:
        """Whether shared delivery is granted; else ``delivery="socket"`` must be asked for."""

    @property
    def segments(self) -> int:
        """Segments now."""

    @property
    def max_segments(self) -> int:
        """Segments it may grow to."""

    @property
    def holds_left(self) -> int:
        """Frames that further subscriptions can ask to hold."""

    @property
    def head(self) -> int:
        """The newest sequence; 0 before the first."""

    @property
    def producer(self) -> str:
        """The process that fills it, where that is not the broker: name and process ID; else empty."""

@final
class Feature:
    """A feature of a camera, by its GenICam name, as it was when the broker was asked."""

    @property
    def name(self) -> str:
        """Its name, as ``"ExposureTime"``."""

    @property
    def display_name(self) -> str:
        """Its name for people; empty where the camera tells none."""

    @property
    def description(self) -> str:
        """What it is for; empty where the camera does not tell."""

    @property
    def kind(self) -> _Kind:
        """What its value is: ``"integer"``, ``"float"``, ``"boolean"``, ``"enumeration"``, ``"string"``, or
        ``"command"``, which has none."""

    @property
    def access(self) -> _Access:
        """What can be done with it now: ``"read-write"``, ``"read-only"``, ``"write-only"``, ``"execute"`` (a command),
        ``"locked"`` (not to be set while other features have the values they have) or ``"not available"``."""

    @property
    def visibility(self) -> _Visibility | None:
        """For whom it is meant: ``"beginner"``, ``"expert"``, ``"guru"`` or ``"invisible"``; ``None`` where the camera
        does not tell."""

    @property
    def value(self) -> int | float | bool | str | None:
        """Its value: ``int``, ``float``, ``bool``, or ``str`` for texts and the entries of an enumeration. ``None`` for
        a command, and for what cannot be read."""

    @property
    def min(self) -> int | float | None:
        """The lowest value of an integer or float, in :attr:`unit`; else ``None``."""

    @property
    def max(self) -> int | float | None:
        """The highest value of an integer or float, in :attr:`unit`; else ``None``."""

    @property
    def increment(self) -> int | None:
        """From one value of an integer to the next, beginning at :attr:`min`; ``None`` for other kinds."""

    @property
    def unit(self) -> str:
        """Unit of the value, as ``"us"``; empty for none."""

    @property
    def entries(self) -> list[str]:
        """What an enumeration can be set to; empty for other kinds."""

    @property
    def is_readable(self) -> bool:
        """Whether its value can be read now."""

    @property
    def is_writable(self) -> bool:
        """Whether it can be set, or executed, now."""

@final
class Setting:
    """A feature after it was set or executed."""

    @property
    def feature(self) -> Feature:
        """The feature as it is now. A camera may have rounded the value."""

    @property
    def version(self) -> int:
        """Frames with this ``settings_version`` or a later one were exposed after it was done:
        :meth:`Frame.is_exposed_with`. A trigger changes no setting: there it is the present one."""

    @property
    def head(self) -> int:
        """The newest frame's sequence before the camera was asked; 0 before the first. What a trigger brings comes
        after it."""

@final
class SettingsChange:
    """News: somebody has set a feature of the stream, or executed a command that is no trigger."""

    @property
    def version(self) -> int:
        """The settings version that began. Where it is not one more than in the news before, others were left out
        because they were not read in time."""

    @property
    def feature(self) -> str:
        """Name of the feature."""

    @property
    def value(self) -> int | float | bool | str | None:
        """Its value now; ``None`` for a command."""

    @property
    def by(self) -> str:
        """Who has done it, for people."""

@final
class SoleControl:
    """Sole control of a stream's settings, for a ``with`` block: given back at its end. Made by
    :meth:`Broker.take_control`.

    Without a ``with`` block it is kept until :meth:`Broker.give_control`, or the end of the broker object's connection.
    """

    @property
    def stream(self) -> str:
        """The stream's name."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

@final
class Timing:
    """How often something was done and how long it took."""

    @property
    def count(self) -> int:
        """Times done."""

    @property
    def mean_ns(self) -> int:
        """Mean duration in ns."""

    @property
    def max_ns(self) -> int:
        """Longest duration in ns."""

@final
class StreamStats:
    """Figures of a stream. Bytes are payload asked for; ``mapped_bytes`` is what it takes in pages."""

    @property
    def name(self) -> str:
        """The stream."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def total_allocated(self) -> int:
        """Segments ever allocated."""

    @property
    def total_freed(self) -> int:
        """Segments freed."""

    @property
    def active_buffers(self) -> int:
        """Segments now."""

    @property
    def current_bytes(self) -> int:
        """Payload bytes of the segments now."""

    @property
    def peak_bytes(self) -> int:
        """The most payload bytes at any time."""

    @property
    def mapped_bytes(self) -> int:
        """Bytes of the segments' pages now."""

    @property
    def given_up_bytes(self) -> int:
        """Payload bytes of segments given up because a living process may still read them."""

    @property
    def max_buffers(self) -> int:
        """Segments the stream may grow to."""

    @property
    def grabbed(self) -> int:
        """Frames the source delivered."""

    @property
    def published(self) -> int:
        """Frames published."""

    @property
    def incomplete(self) -> int:
        """Frames of which a part was lost on the way."""

    @property
    def lost_at_camera(self) -> int:
        """Frames lost between camera and broker."""

    @property
    def starved(self) -> int:
        """Frames dropped because no segment was free."""

    @property
    def overdue(self) -> int:
        """Holds that became older than the lease."""

    @property
    def evicted(self) -> int:
        """Subscriptions that were ended for such a hold."""

    @property
    def resent_packets(self) -> int:
        """Packets asked for again."""

    @property
    def missing_packets(self) -> int:
        """Packets that never came."""

    @property
    def failed_frames(self) -> int:
        """Frames the driver gave up."""

    @property
    def allocate(self) -> Timing:
        """Making a segment."""

    @property
    def publish(self) -> Timing:
        """Publishing a frame, without waking its readers."""

    @property
    def retire(self) -> Timing:
        """Retiring frames."""

@final
class Holder:
    """Who holds a frame."""

    @property
    def client(self) -> int:
        """Number of the session."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def pid(self) -> int:
        """Its process."""

    @property
    def uid(self) -> int:
        """Its user."""

    @property
    def held_ns(self) -> int:
        """For how long in ns, as the broker has seen it."""

    @property
    def is_overdue(self) -> bool:
        """Whether that is longer than the lease."""

@final
class SegmentStats:
    """Figures of a segment."""

    @property
    def buffer_context(self) -> int:
        """1000 + its index: the ``buffer_context`` of its frames."""

    @property
    def bytes(self) -> int:
        """Payload bytes."""

    @property
    def allocated_realtime_ns(self) -> int:
        """When it was allocated: ns since 1970."""

    @property
    def state(self) -> str:
        """What it is doing: ``"queued"``, ``"filling"``, ``"published"``, ``"held"`` or ``"quarantined"``."""

    @property
    def usage_count(self) -> int:
        """Times it was published."""

    @property
    def held_by(self) -> list[Holder]:
        """Who holds its frame; the first 8."""

    @property
    def more_holders(self) -> int:
        """How many more hold it."""

@final
class SubscriptionStats:
    """Figures of a subscription, as the broker has them."""

    @property
    def id(self) -> int:
        """Its number in its session."""

    @property
    def stream(self) -> str:
        """The stream's name."""

    @property
    def policy(self) -> _Policy:
        """Which frames, now: a demoted lossless subscription is ``"sequential"``."""

    @property
    def delivery(self) -> _Delivery:
        """By which way."""

    @property
    def received(self) -> int:
        """Frames taken."""

    @property
    def lost(self) -> int:
        """Frames retired before they were taken."""

    @property
    def skipped(self) -> int:
        """Frames passed over for a newer one."""

    @property
    def held(self) -> int:
        """Frames held."""

    @property
    def max_held(self) -> int:
        """Frames it may hold."""

    @property
    def longest_hold_ns(self) -> int:
        """Its longest hold in ns."""

    @property
    def overdue(self) -> int:
        """Holds that are older than the lease."""

@final
class ClientStats:
    """Figures of a session."""

    @property
    def id(self) -> int:
        """Number of the session."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def pid(self) -> int:
        """Its process."""

    @property
    def uid(self) -> int:
        """Its user."""

    @property
    def subscriptions(self) -> list[SubscriptionStats]:
        """What it reads."""

@final
class Counters:
    """What became of the frames. Their sum is the number of frames published, from the first that the subscription
    could have got to the one taken last."""

    @property
    def received(self) -> int:
        """Frames taken."""

    @property
    def lost(self) -> int:
        """Frames retired before they were taken."""

    @property
    def skipped(self) -> int:
        """Frames passed over by policy."""

@final
class SyncStats:
    """What became of the frames of streams that were joined."""

    @property
    def complete(self) -> int:
        """Sets with a frame of every stream."""

    @property
    def incomplete(self) -> int:
        """Sets without: dropped, or delivered, as was asked for."""

    @property
    def unmatched(self) -> list[int]:
        """Of each stream, frames that are in no complete set."""

    @property
    def mean_skew_ns(self) -> int:
        """Mean skew of complete sets in ns; 0 before the first."""

    @property
    def max_skew_ns(self) -> int:
        """Largest skew of a complete set in ns."""

@final
class MappedSegment:
    """A segment as it is mapped in this process, at the same address for as long as a frame in it is held."""

    @property
    def index(self) -> int:
        """Its index."""

    @property
    def buffer_context(self) -> int:
        """1000 + index: the ``buffer_context`` of its frames."""

    @property
    def backing(self) -> int:
        """Which object is behind the index."""

    @property
    def address(self) -> int:
        """Where it begins in the memory of this process."""

    @property
    def length(self) -> int:
        """Bytes mapped."""

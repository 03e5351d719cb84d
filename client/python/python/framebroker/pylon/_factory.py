"""A buffer factory whose buffers are a broker's segments.

Who may write a segment is settled by these rules:

* pylon gets only segments that the broker has lent and that hold no published frame.
* While a frame is in the ring, its grab result is kept: so pylon does not fill the buffer.
* When the broker lends the segment again, nobody reads it any more: the result is released, and pylon may refill it.
* A segment stays mapped until pylon has freed the buffer, and longer: as long as the factory lives.
* Where the broker gives a segment up, because a program that it has evicted may still read it, pylon's buffer is lost
  to it until the next start of grabbing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .._errors import WaitTimeoutError
from . import _results
from ._pypylon import pylon

if TYPE_CHECKING:
    from .. import KeptSegment, Producer

_ALL_S = 5.0
"""How long the broker may take to lend all segments there are."""
_LOOK_S = 0.1
"""How often it is asked meanwhile which there are."""


class SegmentFactory(pylon.BufferFactory):  # type: ignore[misc]
    """Gives pylon the segments that a producer was lent, and pylon's images to the producer.

    Takes all of them when it is made: the producer must have been opened with ``fixed_pool=True``. pylon gets as many
    buffers as there are segments, once; to grab with other settings, or again after ``StopGrabbing``, make a new
    producer and a new factory.

    One thread may :meth:`publish` while another waits in :meth:`refill`.
    """

    def __init__(self, producer: Producer) -> None:
        super().__init__()
        self._producer = producer
        self._reader = _results.Reader()
        self._lock = threading.Lock()
        self._segments: dict[int, KeptSegment] = {}
        # What pylon does not have, and no frame is in.
        self._unused: list[int] = []
        # What pylon has, or had: they stay mapped.
        self._given: dict[int, KeptSegment] = {}
        # Of frames that are in the ring.
        self._results: dict[int, Any] = {}
        self.shortfall: str | None = None
        """Why pylon was refused a buffer, if it was."""
        deadline = time.monotonic() + _ALL_S
        # The broker may give one up, or make one, until all are here.
        while missing := self._missing():
            try:
                kept = producer.take(_LOOK_S).keep()
            except WaitTimeoutError:
                if time.monotonic() < deadline:
                    continue
                text = f"the broker did not lend segments {', '.join(map(str, missing))} within {_ALL_S:g} s"
                raise WaitTimeoutError(text, "segment") from None
            self._segments[kept.buffer_context] = kept
            self._unused.append(kept.buffer_context)

    def _missing(self) -> list[int]:
        """Buffer contexts of segments that are there and were not taken yet."""
        there = {segment.buffer_context for segment in self._producer.segments()}
        return sorted(there - self._segments.keys())

    @property
    def contexts(self) -> tuple[int, ...]:
        """Buffer contexts of the segments: 1000, 1001, …"""
        return tuple(sorted(self._segments))

    @property
    def addresses(self) -> dict[int, int]:
        """Where each segment begins in the memory of this process, by buffer context."""
        return {context: segment.address for context, segment in self._segments.items()}

    @property
    def in_ring(self) -> int:
        """Frames that the broker has, whose grab results are kept."""
        with self._lock:
            return len(self._results)

    def attach(self, camera: Any) -> None:
        """Makes a camera (``pylon.InstantCamera``, open) grab into the segments: sets its buffer factory and
        ``MaxNumBuffer``."""
        self._reader = _results.Reader(_results.tick_hz(camera))
        camera.SetBufferFactory(self)
        camera.MaxNumBuffer.Value = len(self._segments)

    def AllocateBuffer(self, buffer_size: int) -> tuple[int | None, int | None]:
        """For pylon: a segment, and its buffer context."""
        with self._lock:
            context = min(self._unused, default=None)
            if context is None:
                self.shortfall = f"pylon wants more buffers than the {len(self._segments)} segments that there are"
                return None, None
            segment = self._segments[context]
            if buffer_size > segment.nbytes:
                self.shortfall = f"pylon wants buffers of {buffer_size} bytes, the segments have {segment.nbytes}"
                return None, None
            self._unused.remove(context)
            self._given[context] = segment
        return segment.address, context

    def FreeBuffer(self, buffer: int, context: int) -> None:
        """For pylon: it does not need a segment any more. That is for the broker to reuse."""
        # It is not offered again, for a frame may be in it.

    def publish(self, result: Any) -> bool:
        """Makes a grab result a frame, with all that pylon says of it. It is kept until the broker lends its segment
        again; do not release it. False, and released, where it holds no image.

        Raises what :meth:`Producer.publish` does; the result is then released.
        """
        info = self._reader.info(result)
        if info is None:
            result.Release()
            return False
        context = result.GetBufferContext()
        with self._lock:
            # Before it is published: the segment may come back at once.
            self._results[context] = result
        try:
            self._producer.publish(context, **info)
        except BaseException:
            with self._lock:
                self._results.pop(context, None)
            result.Release()
            raise
        return True

    def refill(self, timeout: float = 0.0) -> bool:
        """Lets pylon refill the segments that the broker has lent again; waits up to ``timeout`` seconds for the first.
        Whether there was any. Call it after every :meth:`publish`, or in a loop in a thread of its own.

        Raises what :meth:`Producer.take` does, but for a time-out.
        """
        refilled = False
        try:
            while True:
                blank = self._producer.try_take() if refilled or not timeout else self._producer.take(timeout)
                if blank is None:
                    return refilled
                self._lent_again(blank.keep())
                refilled = True
        except WaitTimeoutError:
            return refilled

    def _lent_again(self, kept: KeptSegment) -> None:
        context = kept.buffer_context
        with self._lock:
            given = self._given.get(context)
            if given is None or given.address != kept.address:
                # One that pylon does not have. What it has in its place is not ours to fill any more: its result stays.
                return
            result = self._results.pop(context, None)
        if result is not None:
            result.Release()

    def given_up(self) -> int:
        """Segments that pylon has and the broker gave up, since a reader that it evicted still sees them. pylon does
        not fill them any more: it is that many buffers short until it begins anew."""
        lent = {(segment.buffer_context, segment.address) for segment in self._producer.segments()}
        return sum((context, segment.address) not in lent for context, segment in self._given.items())

    def release(self) -> None:
        """Lets go of all grab results. Only after ``StopGrabbing``: from then on pylon writes nothing, and frames that
        are still read stay as they are. Results that are held over it would make the next start allocate more."""
        with self._lock:
            results, self._results = self._results, {}
        for result in results.values():
            result.Release()

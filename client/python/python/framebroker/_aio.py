"""Waiting for frames in asyncio: the loop watches the descriptors of subscriptions, no thread is needed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ._errors import ClosedError, StreamClosedError

if TYPE_CHECKING:
    from types import FrameType

_Item = TypeVar("_Item", covariant=True)


class _Source(Protocol[_Item]):
    """A subscription, or several that were joined."""

    def _try_next_for(self, caller: FrameType) -> _Item | None: ...

    def _awaited(self) -> tuple[list[int], float]: ...

    def _late(self, timeout: float) -> BaseException: ...


class Loop(Generic[_Item]):
    """What ``async for`` loops over. It ends when the stream does. Several tasks may share a subscription: each frame
    goes to one of them."""

    def __init__(self, source: _Source[_Item]) -> None:
        self._source = source

    def __aiter__(self) -> Loop[_Item]:
        return self

    async def __anext__(self) -> _Item:
        try:
            return await _next(self._source, None, sys._getframe())
        except (StreamClosedError, ClosedError):
            raise StopAsyncIteration from None


async def next_of(source: _Source[_Item], timeout: float | None) -> _Item:
    """The next frame or set, within ``timeout`` seconds if given."""
    return await _next(source, timeout, sys._getframe())


async def _next(source: _Source[_Item], timeout: float | None, here: FrameType) -> _Item:
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    # Where frames wait already, other tasks get their turn too; before a frame is taken, for whoever is cancelled here.
    await asyncio.sleep(0)
    while True:
        # While a coroutine runs, what awaits it stands behind it.
        item = source._try_next_for(here.f_back or here)
        if item is not None:
            return item
        # The time is for what no descriptor tells: whether it was closed, or a set waits for no more frames.
        descriptors, seconds = source._awaited()
        if deadline is not None and timeout is not None:
            left = deadline - loop.time()
            if left <= 0:
                raise source._late(timeout)
            seconds = min(seconds, left)
        await _readable(loop, descriptors, seconds)


async def _readable(loop: asyncio.AbstractEventLoop, descriptors: Iterable[int], seconds: float) -> None:
    """Waits until one of these descriptors is readable, at most so long."""
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    with contextlib.ExitStack() as cleanup:
        timer = loop.call_later(seconds, wake)
        cleanup.callback(timer.cancel)
        for descriptor in descriptors:
            # One of its own: a loop knows one reader for each, and several tasks may wait for this subscription.
            own = os.dup(descriptor)
            cleanup.callback(os.close, own)
            loop.add_reader(own, wake)
            cleanup.callback(loop.remove_reader, own)
        await ready

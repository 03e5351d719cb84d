"""Waiting for frames in asyncio: the loop watches the subscription's descriptor, no thread is needed."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from ._errors import ClosedError, StreamClosedError, WaitTimeoutError

if TYPE_CHECKING:
    from types import FrameType

    from . import Frame, Subscription

_LOOK_S = 0.25
"""How often a waiting task looks by itself: whether the subscription was closed, its descriptor does not tell."""


class Frames:
    """What ``async for`` loops over. It ends when the stream does. Several tasks may share a subscription: each frame
    goes to one of them."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> Frame:
        try:
            return await _next(self._subscription, None, sys._getframe())
        except (StreamClosedError, ClosedError):
            raise StopAsyncIteration from None


async def next_frame(subscription: Subscription, timeout: float | None) -> Frame:
    """The next frame, within ``timeout`` seconds if given."""
    return await _next(subscription, timeout, sys._getframe())


async def _next(subscription: Subscription, timeout: float | None, here: FrameType) -> Frame:
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    # Where frames wait already, other tasks get their turn too; before a frame is taken, for whoever is cancelled here.
    await asyncio.sleep(0)
    while True:
        # While a coroutine runs, what awaits it stands behind it.
        frame = subscription._try_next_for(here.f_back or here)
        if frame is not None:
            return frame
        left = _LOOK_S if deadline is None else min(_LOOK_S, deadline - loop.time())
        if left <= 0:
            raise WaitTimeoutError(f"no frame came within {timeout} s", "frame")
        await _readable(loop, subscription.fileno(), left)


async def _readable(loop: asyncio.AbstractEventLoop, descriptor: int, seconds: float) -> None:
    """Waits until a descriptor is readable, at most so long."""
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    # One of its own: a loop knows one reader for each descriptor, and several tasks may wait for this subscription.
    own = os.dup(descriptor)
    try:
        timer = loop.call_later(seconds, wake)
        loop.add_reader(own, wake)
        try:
            await ready
        finally:
            loop.remove_reader(own)
            timer.cancel()
    finally:
        os.close(own)

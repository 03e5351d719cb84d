"""From a camera to a stream, for as long as both are there; and then to look for them again."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .. import (
    Broker,
    BrokerGoneError,
    InvalidFrameError,
    NoBrokerError,
    Producer,
    ProtocolError,
    RefusedError,
    StoppedError,
    StreamClosedError,
    WaitTimeoutError,
)
from ._camera import CameraError, Description, Settings, described, opened
from ._factory import SegmentFactory
from ._pypylon import GenicamError, pylon, said

_SLICE_MS = 100
"""How often a wait for an image is interrupted to look around."""
_LOOK_S = 1.0
"""How often it is asked whether the broker gave up segments."""
_PAUSES_S = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Between attempts to find camera and broker again; the last one goes on."""
_BUSY_S = 2.0
"""How long the broker may take to notice that the producer before this one is gone."""

GONE = (
    CameraError,
    GenicamError,
    BrokerGoneError,
    NoBrokerError,
    ProtocolError,
    RefusedError,
    StoppedError,
    WaitTimeoutError,
)
"""What may be over by itself: the camera or the broker is away."""


class GivenUp(Exception):
    """The broker gave up segments that pylon has: grabbing begins anew, with others in their place."""


@dataclass(frozen=True)
class Options:
    """From where to where."""

    stream: str
    socket: str | None = None
    serial: str | None = None
    settings: Settings = Settings()
    count: int | None = None
    wait: bool = False


@dataclass
class Summary:
    """What became of the images."""

    published: int = 0
    incomplete: int = 0
    no_image: int = 0
    starts: int = 0


@dataclass(frozen=True)
class Ready:
    """Grabbing has begun."""

    camera: Description
    stream: str
    contexts: tuple[int, ...]
    socket: str


Report = Callable[[object], None]


def run(options: Options, stop: threading.Event, report: Report) -> Summary:
    """Grabs until ``stop`` is set, ``options.count`` frames are published or the stream has ended. ``report`` gets a
    :class:`Ready` at every start, and a text whenever something is away.

    Raises what is wrong at the first start; with ``options.wait`` that is waited for as well.
    """
    summary = Summary()
    failures = 0
    while not stop.is_set():
        starts = summary.starts
        try:
            _grab(options, stop, report, summary)
        except StreamClosedError as error:
            report(str(error))
            break
        except GivenUp:
            continue
        except GONE as error:
            if summary.starts == 0 and not options.wait:
                raise
            failures = 0 if summary.starts > starts else failures + 1
            if failures <= 1:
                report(f"{said(error)}; looking for it again")
            stop.wait(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
    return summary


def _grab(options: Options, stop: threading.Event, report: Report, summary: Summary) -> None:
    """One start of grabbing, until something is over."""
    with contextlib.ExitStack() as stack:
        with Broker(options.socket, "framebroker.pylon") as broker:
            socket = broker.socket
            camera = opened(options.serial, options.settings)
            stack.callback(_closed, camera)
            described_camera = described(camera)
            producer = stack.enter_context(_producer(broker, options.stream, described_camera, stop))
        factory = SegmentFactory(producer)
        stack.enter_context(_grabbing(camera, factory))
        summary.starts += 1
        report(Ready(described_camera, options.stream, factory.contexts, socket))
        refiller = stack.enter_context(_Refiller(factory))
        while not stop.is_set():
            refiller.check()
            result = camera.RetrieveResult(_SLICE_MS, pylon.TimeoutHandling_Return)
            if result.IsValid():
                _publish(factory, result, summary)
            if camera.IsCameraDeviceRemoved():
                raise CameraError(f"camera {described_camera.serial} is gone")
            if options.count is not None and summary.published >= options.count:
                stop.set()


def _publish(factory: SegmentFactory, result: Any, summary: Summary) -> None:
    complete = bool(result.GrabSucceeded())
    try:
        if not factory.publish(result):
            summary.no_image += 1
        elif complete:
            summary.published += 1
        else:
            summary.incomplete += 1
    except InvalidFrameError:
        # What pylon says of a failed grab need not make sense.
        if complete:
            raise
        summary.incomplete += 1


def _producer(broker: Broker, stream: str, camera: Description, stop: threading.Event) -> Producer:
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            return broker.produce(
                stream,
                width=camera.width,
                height=camera.height,
                pixel_format=camera.pixel_format,
                payload_bytes=camera.payload_bytes,
                # One to be filled while the next is awaited, and 10 ms of frames.
                min_queued=max(2, math.ceil((camera.fps or 0) / 100)),
                fixed_pool=True,
                fps=camera.fps,
                model=camera.model,
                serial=camera.serial,
            )
        except RefusedError as error:
            if error.code != "Busy" or time.monotonic() > deadline or stop.wait(_PAUSES_S[0]):
                raise


@contextlib.contextmanager
def _grabbing(camera: Any, factory: SegmentFactory) -> Iterator[None]:
    """Grabs into the segments. At the end pylon writes nothing more, and has freed all buffers."""
    factory.attach(camera)
    try:
        camera.StartGrabbing(pylon.GrabStrategy_OneByOne, pylon.GrabLoop_ProvidedByUser)
        if factory.shortfall:
            # pylon begins with what it got.
            raise CameraError(factory.shortfall)
        yield
    finally:
        with contextlib.suppress(GenicamError):
            camera.StopGrabbing()
        factory.release()


def _closed(camera: Any) -> None:
    with contextlib.suppress(GenicamError):
        camera.Close()
    with contextlib.suppress(GenicamError):
        camera.DestroyDevice()


class _Refiller:
    """Lets pylon refill segments as soon as the broker lends them again, in a thread of its own."""

    def __init__(self, factory: SegmentFactory) -> None:
        self._factory = factory
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="framebroker-refill", daemon=True)

    def _run(self) -> None:
        try:
            look = time.monotonic() + _LOOK_S
            while not self._ended.is_set():
                self._factory.refill(_SLICE_MS / 1000)
                if time.monotonic() >= look:
                    look = time.monotonic() + _LOOK_S
                    if self._factory.given_up():
                        raise GivenUp
        except BaseException as error:  # raised where the images are awaited
            self._failure = error

    def check(self) -> None:
        """Raises why nothing comes back any more, if so."""
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> _Refiller:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

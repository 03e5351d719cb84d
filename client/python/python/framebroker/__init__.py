"""Camera frames from a framebroker in another process, with no copy.

>>> import framebroker
>>> broker = framebroker.Broker()
>>> with broker.subscribe("cam0") as subscription:
...     for frame in subscription:
...         print(frame.sequence, frame.array.mean())

A :class:`Frame` is held for as long as it, or any array, memoryview or tensor made of it, lives. Its memory is
read-only by the kernel's word: writing to it through a library that ignores that ends the process. ``frame.copy()`` is
yours.
"""

from ._errors import (
    BrokerGoneError,
    ClosedError,
    Error,
    EvictedError,
    ForbiddenError,
    ForkedError,
    FrameGoneError,
    HeldFramesError,
    HeldFramesWarning,
    InvalidFrameError,
    InvalidNameError,
    MachineError,
    NoBrokerError,
    NotAdmittedError,
    NotKeptError,
    ProtocolError,
    RefusedError,
    ReleasedError,
    StillFillingError,
    StoppedError,
    StreamClosedError,
    UnknownStreamError,
    WaitTimeoutError,
)
from ._framebroker import (
    Blank,
    Broker,
    ClientStats,
    Counters,
    Frame,
    Holder,
    KeptSegment,
    MappedSegment,
    PixelFormat,
    Producer,
    SegmentStats,
    StreamInfo,
    StreamStats,
    Subscription,
    SubscriptionStats,
    Timing,
    __version__,
)

__all__ = [
    "Blank",
    "Broker",
    "BrokerGoneError",
    "ClientStats",
    "ClosedError",
    "Counters",
    "Error",
    "EvictedError",
    "ForbiddenError",
    "ForkedError",
    "Frame",
    "FrameGoneError",
    "HeldFramesError",
    "HeldFramesWarning",
    "Holder",
    "InvalidFrameError",
    "InvalidNameError",
    "KeptSegment",
    "MachineError",
    "MappedSegment",
    "NoBrokerError",
    "NotAdmittedError",
    "NotKeptError",
    "PixelFormat",
    "Producer",
    "ProtocolError",
    "RefusedError",
    "ReleasedError",
    "SegmentStats",
    "StillFillingError",
    "StoppedError",
    "StreamClosedError",
    "StreamInfo",
    "StreamStats",
    "Subscription",
    "SubscriptionStats",
    "Timing",
    "UnknownStreamError",
    "WaitTimeoutError",
    "__version__",
]

"""What can go wrong, by who is to blame. All are :class:`Error`; where Python has a word for it, they are that as
well."""

from __future__ import annotations

import builtins


class Error(Exception):
    """Whatever this package raises by itself."""


# The broker, or the way to it.


class NoBrokerError(Error, ConnectionError):
    """No broker was found. The message lists every socket that was tried, and how to start one."""

    tried: list[tuple[str, str]]
    """Each socket that was tried, and why it did not do."""

    def __init__(self, message: str, tried: list[tuple[str, str]] | None = None) -> None:
        super().__init__(message)
        self.tried = list(tried or ())


class BrokerGoneError(Error, ConnectionError):
    """The broker died, or closed the connection without giving a reason. Frames that are held stay as they are."""


class ProtocolError(Error, ConnectionError):
    """The connection failed, or the broker does not keep to the protocol: are the versions the same?"""


class RefusedError(Error):
    """The broker has refused a request."""

    code: str
    """The kind of failure, as PROTOCOL.md names it: ``"Unavailable"``, ``"Invalid"``, …"""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class UnknownStreamError(RefusedError, LookupError):
    """The broker has no stream of that name; the message says which it has."""


class NotAdmittedError(RefusedError):
    """The broker has too few segments for the holds asked for; the message says how many would do."""


class ForbiddenError(RefusedError, PermissionError):
    """This user may not use this broker; or this connection may not change settings, for it was made without
    ``control=True``."""


class InvalidValueError(RefusedError, ValueError):
    """A value out of its range, or of another kind; the message says what would do."""


class UnknownFeatureError(RefusedError, LookupError):
    """The camera has no feature of that name; the message names the nearest."""


class NotAccessibleError(RefusedError):
    """The feature cannot be read, set or executed, or not while other features have the values they have."""


class ControlledError(RefusedError, PermissionError):
    """Another program has sole control of the stream's settings; the message says which."""


class CameraFailedError(RefusedError):
    """The camera is away, refused it, or did not answer within 4 s."""


class StreamClosedError(Error):
    """The stream has ended, and its last frame was taken. Loops over a subscription simply end."""

    reason: str
    """In the broker's words."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class EvictedError(Error):
    """The broker has ended this subscription, above all for a frame held longer than its ``--lease``."""

    reason: str
    """In the broker's words."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


# Nobody: it may come later.


class WaitTimeoutError(Error, builtins.TimeoutError):
    """Nothing came in time. The subscription goes on: call again."""

    waiting_for: str
    """What did not come: ``"frame"``, ``"set"`` (frames came that do not belong together), ``"setting"`` (frames came
    that may have been exposed before it), ``"source"`` (the camera is away), ``"broker"``, ``"answer"``, or for a
    producer ``"segment"``."""

    def __init__(self, message: str, waiting_for: str = "frame") -> None:
        super().__init__(message)
        self.waiting_for = waiting_for


# The program itself.


class HeldFramesError(Error):
    """The program holds as many frames as its subscription may, and asks for one more: only itself can give one
    back."""

    places: list[tuple[int, str]]
    """Context ID of each frame that is held, and the ``file:line`` that took it."""

    def __init__(self, message: str, places: list[tuple[int, str]] | None = None) -> None:
        super().__init__(message)
        self.places = list(places or ())


class FrameGoneError(Error, LookupError):
    """The frame asked for was retired, never was, or is of another run of the broker."""

    context: int
    """Which frame."""
    reason: str
    """In what way: ``"retired"`` (or never was), or ``"other-broker"``."""

    def __init__(self, message: str, context: int = 0, reason: str = "retired") -> None:
        super().__init__(message)
        self.context = context
        self.reason = reason


class OtherStreamError(Error, ValueError):
    """The frame asked for is of another stream than the subscription."""

    stream: str
    """The subscription's."""

    def __init__(self, message: str, stream: str = "") -> None:
        super().__init__(message)
        self.stream = stream


class ReleasedError(Error, ValueError):
    """The frame was given back: it has no bytes any more. Its metadata stay."""


class ClosedError(Error, ValueError):
    """The broker or subscription object was closed by this program."""


class JoinedError(Error, ValueError):
    """The subscription was joined with others: its :class:`SyncedSubscription` hands out its frames."""


class NotComparableError(Error, ValueError):
    """Frames of a stream have no camera timestamp or block ID: match them by another property, as ``by="arrival"``."""


class InvalidFrameError(Error, ValueError):
    """What was said of a frame cannot be true of the segment it lies in. Nothing was published."""


class NotKeptError(Error, LookupError):
    """A buffer context that the producer does not keep: it was not taken and kept, or is published already."""

    buffer_context: int
    """Which."""

    def __init__(self, message: str, buffer_context: int = 0) -> None:
        super().__init__(message)
        self.buffer_context = buffer_context


class StillFillingError(Error):
    """The frames of a producer cannot change while segments are being filled."""


class StoppedError(Error):
    """The broker takes nothing more of what it lent before. :meth:`Producer.take` raises the reason."""


class ForkedError(Error, RuntimeError):
    """A forked child used what its parent opened. Make a :class:`Broker` and subscribe in the child itself."""


class InvalidNameError(Error, ValueError):
    """A name that no stream or feature can have."""


# This machine.


class MachineError(Error, OSError):
    """The kernel refuses: shared memory, descriptors."""


class HeldFramesWarning(RuntimeWarning):
    """The program was about to starve itself: frames that it no longer uses were still held, since only the garbage
    collector could find them. Release frames, or leave their ``with`` block, before asking for the next."""

"""``python -m framebroker.pylon``: grabs from a Basler camera into a broker's segments."""

from __future__ import annotations

import argparse
import contextlib
import math
import signal
import sys
import threading
from typing import TYPE_CHECKING

from .. import Error

if TYPE_CHECKING:
    from ._grab import Options

_ABOUT = """Grabs from a Basler camera straight into the segments of a broker, and publishes: a frame is never copied.
Start the broker first: broker --source producer --segments 16. The camera gets as many buffers as the ring has segments
then; programs that read hold some of them."""


def _feature(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is no FEATURE=VALUE")
    return name, value


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not 1 or more")


def _rate(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text} is not above 0")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m framebroker.pylon", description=_ABOUT)
    parser.add_argument("--stream", default="cam0", help="the broker's stream (default: cam0)")
    parser.add_argument("--socket", metavar="PATH", help="the broker's socket (default: where clients look for one)")
    parser.add_argument("--list", action="store_true", help="list the cameras that pylon finds, and end")
    parser.add_argument("--serial", metavar="S", help="serial number of the camera (default: the first)")
    parser.add_argument("--load", metavar="FILE.pfs", help="load features from a file that pylon has saved")
    parser.add_argument(
        "--set",
        metavar="FEATURE=VALUE",
        type=_feature,
        action="append",
        default=[],
        help="set a feature; may be repeated",
    )
    parser.add_argument("--width", type=_positive, metavar="N", help="in pixels (default: the camera's)")
    parser.add_argument("--height", type=_positive, metavar="N", help="in pixels (default: the camera's)")
    parser.add_argument("--pixel-format", metavar="FORMAT", help="PFNC name (default: the camera's)")
    parser.add_argument("--fps", type=_rate, metavar="F", help="frames per second (default: the camera's)")
    parser.add_argument("--count", type=_positive, metavar="N", help="end after so many complete frames")
    parser.add_argument("--wait", action="store_true", help="wait for a camera or broker that is not there yet")
    return parser


def _options(words: argparse.Namespace) -> Options:
    from ._camera import Settings
    from ._grab import Options

    settings = Settings(words.load, tuple(words.set), words.width, words.height, words.pixel_format, words.fps)
    return Options(words.stream, words.socket, words.serial, settings, words.count, words.wait)


def _report(news: object) -> None:
    from ._grab import Ready

    if not isinstance(news, Ready):
        print(news, file=sys.stderr, flush=True)
        return
    camera, contexts = news.camera, news.contexts
    rate = f" fps={camera.fps:g}" if camera.fps else ""
    print(
        f"ready stream={news.stream} camera={camera.serial} model={camera.model!r} "
        f"geometry={camera.width}x{camera.height} format={camera.pixel_format}{rate} "
        f"buffers={','.join(map(str, contexts))} socket={news.socket}",
        flush=True,
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs; gives the exit status."""
    words = _parser().parse_args(arguments)
    try:
        from . import _camera, _grab
        from ._pypylon import GenicamError, said
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    if words.list:
        cameras = _camera.found()
        for serial, model, kind in cameras:
            print(f"{serial}  {model}  ({kind})")
        if not cameras:
            print("pylon finds no camera", file=sys.stderr)
        return 0 if cameras else 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        summary = _grab.run(_options(words), stop, _report)
    except Error as error:
        print(error, file=sys.stderr)
        return 1
    except GenicamError as error:
        print(said(error), file=sys.stderr)
        return 1
    print(
        f"ended published={summary.published} incomplete={summary.incomplete} "
        f"no_image={summary.no_image} starts={summary.starts}",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

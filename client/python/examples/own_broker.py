"""A broker of the example's own, for those that show what its options do or how it ends. Not an example by itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SECONDS = 60


def program() -> str:
    """The program ``broker``: of ``$FRAMEBROKER_BINARIES``, else of the search path."""
    folder = os.environ.get("FRAMEBROKER_BINARIES")
    found = shutil.which("broker", path=folder) if folder else shutil.which("broker")
    return found or sys.exit(
        "there is no program broker: cargo install --locked --path broker (or set FRAMEBROKER_BINARIES)"
    )


class OwnBroker:
    """Runs for the length of a ``with`` block; ``socket`` is where it listens."""

    def __init__(self, *options: object) -> None:
        self.options = [str(option) for option in options]

    def __enter__(self) -> OwnBroker:
        broker = program()
        self._folder = tempfile.TemporaryDirectory(prefix="framebroker-")
        self.socket = str(Path(self._folder.name, "socket"))
        command = [broker, "--socket", self.socket, *self.options]
        quiet = {**os.environ, "RUST_LOG": os.environ.get("RUST_LOG", "warn,framebroker=error")}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=quiet)
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith("ready "):
            self.__exit__()
            sys.exit("the broker did not start")
        return self

    def wait(self) -> None:
        """Waits for its end, as ``--frames`` makes it end by itself."""
        if not hasattr(self, "_said"):
            self._said, _ = self._process.communicate(timeout=_SECONDS)

    def statistics(self) -> dict[str, str]:
        """What the broker said of its buffers at its end."""
        self.wait()
        words = {
            "Total Allocated": r"total allocated +(\d+)",
            "Total Freed": r"total freed +(\d+)",
            "Active Buffers": r"active +(\d+)",
            "Current Memory Mb": r"current memory +([\d.]+)",
            "Peak Memory Mb": r"peak memory +([\d.]+)",
            "Max Buffers": r"maximum +(\d+) buffers",
        }
        found = {name: re.search(pattern, self._said) for name, pattern in words.items()}
        return {name: match.group(1) if match else "?" for name, match in found.items()}

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self.wait()
        self._folder.cleanup()

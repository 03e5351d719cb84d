"""A real broker for each test that asks for one, on a socket of its own.

``FRAMEBROKER_BINARIES`` names the folder with the program ``broker``; without it, the build of this workspace counts.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import framebroker
import pytest

PATIENCE_S = 20.0
REPOSITORY = Path(__file__).resolve().parents[3]


def program(name: str) -> str:
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    path = Path(os.environ.get("FRAMEBROKER_BINARIES", target / "debug")) / name
    assert path.is_file(), f"{path} is missing: cargo build --bins, or set FRAMEBROKER_BINARIES"
    return str(path)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Looks again and again until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.005)


class BrokerProcess:
    """A broker. Options are those of its command line."""

    def __init__(self, *options: object) -> None:
        self._folder = tempfile.mkdtemp(prefix="framebroker-")
        self.socket = os.path.join(self._folder, "s")
        self._log = open(os.path.join(self._folder, "log"), "w+", encoding="utf-8")
        self._options = [str(option) for option in options]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        command = [program("broker"), "--socket", self.socket, *self._options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True)
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
        line = process.stdout.readline() if readable else ""
        if not line.startswith("ready "):
            process.kill()
            process.wait()
            pytest.fail(f"{' '.join(command)}: not ready: {line}{self.log()}")
        return process

    def connect(self, name: str = "test") -> framebroker.Broker:
        return framebroker.Broker(self.socket, name)

    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text(encoding="utf-8")

    def holds(self, pid: int) -> int:
        """Frames that the subscriptions of a process hold, by the broker's word."""
        with self.connect("asking") as broker:
            sessions = [client for client in broker.clients() if client.pid == pid]
        return sum(subscription.held for client in sessions for subscription in client.subscriptions)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def again(self) -> None:
        """Starts the same broker anew after its end."""
        assert self.process.poll() is not None and self.process.stdout is not None
        self.process.stdout.close()
        self.process = self._start()

    def end(self) -> str:
        """Ends it in order; gives what it said. Fails where a buffer leaked."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0 and "WARNING" not in said, f"{said}\n{self.log()}"
        assert "panicked" not in self.log(), self.log()
        return said

    def close(self) -> None:
        try:
            if self.process.poll() is None:
                self.end()
        finally:
            if self.process.poll() is None:
                self.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self._log.close()
            shutil.rmtree(self._folder)


StartBroker = Callable[..., BrokerProcess]


@pytest.fixture
def start_broker() -> Iterator[StartBroker]:
    """Starts brokers, and ends them in order when the test is over."""
    started: list[BrokerProcess] = []

    def start(*options: object) -> BrokerProcess:
        started.append(BrokerProcess(*options))
        return started[-1]

    yield start
    for broker in reversed(started):
        broker.close()


@pytest.fixture
def broker(start_broker: StartBroker) -> BrokerProcess:
    """A small, quick stream."""
    return start_broker("--width", 64, "--height", 48, "--fps", 200)


@pytest.fixture
def quiet(start_broker: StartBroker) -> BrokerProcess:
    """A stream whose first frame has come, and whose second takes minutes."""
    broker = start_broker("--width", 16, "--height", 16, "--fps", 0.01)
    with broker.connect() as connection:
        wait_until(lambda: connection.streams()[0].head == 1, "the first frame")
    return broker

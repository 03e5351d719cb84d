"""Goal: the stubs say what the native module has, and the package, its examples and its users pass a strict checker.
Method: mypy, and its comparison of stubs with the running module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
pytest.importorskip("mypy", reason="mypy is not installed")


def run(*command: str) -> None:
    ended = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=300, cwd=PACKAGE)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_stubs_say_what_is_there() -> None:
    run(
        "mypy.stubtest",
        "framebroker",
        "--mypy-config-file",
        "pyproject.toml",
        "--allowlist",
        "tests/stubtest.allow",
        "--ignore-unused-allowlist",
    )


def test_the_package_and_its_examples_pass() -> None:
    run("mypy", "python/framebroker", "examples")


def test_everything_is_documented() -> None:
    import framebroker

    for name in framebroker.__all__:
        thing = getattr(framebroker, name)
        assert name == "__version__" or thing.__doc__, name
        members = vars(thing) if isinstance(thing, type) else {}
        for member, value in members.items():
            assert member.startswith("_") or getattr(value, "__doc__", None), f"{name}.{member}"

"""Goal: the examples run as they are. Method: each in a process of its own, on the broker that the environment
names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import BrokerProcess, StartBroker
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(broker: BrokerProcess, name: str, *words: object) -> list[str]:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, words)]
    environment = {**os.environ, "FRAMEBROKER_SOCKET": broker.socket}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.splitlines()


def test_blur(broker: BrokerProcess) -> None:
    lines = run(broker, "blur_opencv.py", 5)
    assert len(lines) == 5 and all("(48, 64)" in line for line in lines)


def test_save(broker: BrokerProcess, tmp_path: Path) -> None:
    (line,) = run(broker, "save_pillow.py", tmp_path / "frame.png")
    sequence = int(line.split()[1].rstrip(","))
    with Image.open(tmp_path / "frame.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (48, 64) and pixels[0, 0] == 17 * sequence % 256


@pytest.mark.parametrize("pixel_format,brightest", [("Mono8", 255), ("Mono12p", 4095)])
def test_statistics(start_broker: StartBroker, pixel_format: str, brightest: int) -> None:
    process = start_broker("--pixel-format", pixel_format, "--width", 256, "--height", 16, "--fps", 100)
    lines = run(process, "statistics_numpy.py", 4)
    assert len(lines) == 5 and lines[-1].startswith("Counters(received=4")
    assert all(f" to {brightest}, mean" in line for line in lines[:4]) or pixel_format != "Mono8"


@pytest.mark.parametrize("align", [64, 65536])
def test_aligned(start_broker: StartBroker, align: int) -> None:
    process = start_broker("--align", align, "--width", 64, "--height", 48, "--fps", 200)
    lines = run(process, "aligned.py", align)
    assert len(lines) == 10 and all(int(line.split()[4].rstrip(":"), 16) % align == 0 for line in lines)


def test_asyncio(broker: BrokerProcess) -> None:
    lines = run(broker, "asyncio_frames.py", 6)
    assert lines.count("tick") >= 1 and sum(line.startswith("frame ") for line in lines) == 6


def test_torch(broker: BrokerProcess) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
    assert len(run(broker, "torch_dlpack.py", 3)) == 3


def test_every_example_is_run_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{example.name}"' in text for example in EXAMPLES.glob("*.py"))

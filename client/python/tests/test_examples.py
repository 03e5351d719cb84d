"""Goal: the examples run as they are. Method: each in a process of its own, on the broker that the environment
names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import BrokerProcess, StartBroker, program, wait_until
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(broker: BrokerProcess | None, name: str, *words: object) -> list[str]:
    """Without a broker: the example starts its own."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, words)]
    environment = {**os.environ, "PYLON_CAMEMU": "1", "FRAMEBROKER_BINARIES": str(Path(program("broker")).parent)}
    if broker is not None:
        environment["FRAMEBROKER_SOCKET"] = broker.socket
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


def test_save_says_where_to() -> None:
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / "save_pillow.py")], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1 and "FILE.png" in ended.stderr and "Traceback" not in ended.stderr


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


def test_two_cameras(start_broker: StartBroker, tmp_path: Path) -> None:
    tables = "".join(f"[[stream]]\nname = '{name}'\nfps = 50\nwidth = 16\nheight = 16\n" for name in ("a", "b"))
    (tmp_path / "cameras.toml").write_text(tables)
    lines = run(start_broker("--config", tmp_path / "cameras.toml"), "two_cameras.py", "a", "b", "OffsetX=4", 3)
    assert lines[:2] == ["a: OffsetX = 4 px", "b: OffsetX = 4 px"] and lines[-1].startswith("SyncStats(complete=")
    assert len(lines) == 6 and all(" ms apart: " in line for line in lines[2:5])


def test_torch(broker: BrokerProcess) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
    assert len(run(broker, "torch_dlpack.py", 3)) == 3


SIZE = 1920 * 1080
SAMPLE_END = """\
[SUCCESS] Grab complete: 5/5 images

[INFO] Buffer Factory Statistics:
   Total Allocated: 5
   Total Freed: 5
   Active Buffers: 0
   Current Memory Mb: 0.00
   Peak Memory Mb: 9.89
   Max Buffers: 5"""


@pytest.mark.parametrize(
    "option,device,serial", [("--own", "test pattern", "none"), ("--pylon", "Basler Emulation", "0815-0000")]
)
def test_the_sample_with_a_broker_of_its_own(option: str, device: str, serial: str) -> None:
    """Goal: buffers are told of in order, used, and all freed."""
    if option == "--pylon":
        pytest.importorskip("framebroker.pylon", reason="pypylon is not installed", exc_type=ImportError)
    lines = run(None, "grab_using_buffer_factory.py", option)
    text = "\n".join(lines)
    assert lines[0] == "=== Custom Buffer Factory ===" and lines[3].startswith("Note: ")
    expected = [
        f"Using device: {device}",
        f"Serial Number: {serial}",
        f"Estimated image size: {SIZE} bytes (1920x1080)",
    ]
    for count, memory in enumerate(("1.98", "3.96", "5.93", "7.91", "9.89"), 1):
        expected += [f"Allocated buffer {999 + count}: {SIZE} bytes", f"   Active buffers: {count}"]
        expected += [f"   Current memory: {memory} MB"]
    expected.append("Pre-allocated 5 buffers")
    for image in range(1, 6):
        expected += [f"Image {image}:", "   Size: 1920x1080", f"   Buffer Context: {999 + image}"]
        expected += ["   [INFO] Buffer Usage: 1"]
    assert [line for line in lines if line in expected] == expected, text
    means = [float(line.split()[-1]) for line in lines if "Mean Intensity" in line]
    assert len(means) == 5 and all(120 < mean < 135 for mean in means)
    assert text.endswith(SAMPLE_END), text


def test_the_sample_as_a_consumer(start_broker: StartBroker) -> None:
    process = start_broker("--width", 640, "--height", 480, "--fps", 50, "--segments", 8, "--max-segments", 9)
    text = "\n".join(run(process, "grab_using_buffer_factory.py"))
    assert "belong to the broker that runs" in text and "Pre-allocated 8 buffers" in text
    assert "Grab complete: 5/5 images" in text and "Total Freed: 0" in text
    assert "Active Buffers: 8" in text and "Current Memory Mb: 2.34" in text and "Max Buffers: 9" in text


def test_memory(broker: BrokerProcess) -> None:
    assert not any("Warning" in line for line in run(broker, "check_memory.py"))
    assert any("takes more than 0.001 MB" in line for line in run(broker, "check_memory.py", 0.001))


def test_leaks(broker: BrokerProcess) -> None:
    assert "none leaked" in run(broker, "find_leaks.py")[0]
    with broker.connect("who holds") as connection, connection.subscribe("cam0") as subscription:
        with subscription.next(10) as frame:
            wait_until(lambda: bool(connection.segments(0)[frame.buffer_context - 1000].held_by), "the hold is seen")
            (warning,) = run(broker, "find_leaks.py", 0)
            assert f"who holds (pid {os.getpid()}) holds buffer {frame.buffer_context}" in warning


def test_strategies() -> None:
    pooled = run(None, "strategies.py", "pooled")
    assert pooled[0].startswith("6 buffers were allocated") and len(pooled) == 7
    aligned = run(None, "strategies.py", "aligned")
    assert len(aligned) == 3 and all(", 0 bytes beside a multiple" in line for line in aligned)
    assert run(None, "strategies.py", "zero-copy")[-1] == "the same memory"


def test_realtime(broker: BrokerProcess) -> None:
    brightest, answered, late = run(broker, "realtime.py", 20, 0)
    assert int(brightest.split()[-1]) > 0 and answered.startswith("20 frames")
    assert late.startswith("20 later than 0 ms"), "no answer comes before its frame"


def test_profile(broker: BrokerProcess) -> None:
    text = "\n".join(run(broker, "profile_buffers.py", 10))
    assert "'next'" in text and "publish: " in text


def test_gpu(broker: BrokerProcess) -> None:
    lines = run(broker, "pinned_gpu.py", 3)
    assert lines[0].startswith("skipped: ") or sum(line.startswith("frame ") for line in lines) == 3


def test_every_example_is_run_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    examples = {example.name for example in EXAMPLES.glob("*.py")} - {"own_broker.py"}
    assert all(f'"{example}"' in text for example in examples)

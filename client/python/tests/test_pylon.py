"""Goal: pylon writes its images into the broker's segments, they reach programs in every language whole, and nothing is
lost but frames when cameras, brokers or the grabbing process go away. Method: pylon's own runtime with its camera
emulator, real brokers, and consumers in Rust, C and Python."""

from __future__ import annotations

import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Before pylon's runtime looks for cameras.
os.environ["PYLON_CAMEMU"] = "2"

import numpy as np
import pytest
from conftest import PATIENCE_S, REPOSITORY, BrokerProcess, StartBroker, program, wait_until
from PIL import Image

pytest.importorskip("framebroker.pylon", reason="pypylon is not installed", exc_type=ImportError)
from framebroker.pylon import SegmentFactory, _camera, _grab, _results, pylon  # noqa: E402

FIRST, SECOND = "0815-0000", "0815-0001"
HERE = Path(__file__).parent


class Grabber:
    """``python -m framebroker.pylon`` on a broker, with two emulated cameras."""

    def __init__(self, broker: BrokerProcess, *options: object) -> None:
        command = [sys.executable, "-W", "error", "-m", "framebroker.pylon", "--socket", broker.socket]
        self.process = subprocess.Popen(
            [*command, *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        return self.process.stdout.readline() if readable else ""

    def ready(self) -> str:
        line = self.line()
        assert line.startswith("ready "), line + str(self.kill())
        return line

    def kill(self) -> tuple[str, str]:
        self.process.kill()
        said, complaints = self.process.communicate(timeout=PATIENCE_S)
        return said, complaints

    def end(self, number: int = signal.SIGINT) -> tuple[str, str]:
        self.process.send_signal(number)
        said, complaints = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, complaints
        return said, complaints

    def fails(self) -> str:
        said, complaints = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 1 and not said, said + complaints
        return complaints


StartGrabber = Callable[..., Grabber]


@pytest.fixture
def start_grabber() -> Iterator[StartGrabber]:
    started: list[Grabber] = []

    def start(*words: Any) -> Grabber:
        started.append(Grabber(*words))
        return started[-1]

    yield start
    for grabber in started:
        if grabber.process.returncode is None:
            grabber.kill()


@pytest.fixture
def empty(start_broker: StartBroker) -> BrokerProcess:
    """A broker that waits for a producer."""
    return start_broker("--source", "producer", "--segments", 8)


def opened(serial: str = FIRST, **settings: Any) -> Any:
    words = {"width": 320, "height": 240, "fps": 100.0, **settings}
    return _camera.opened(serial, _camera.Settings(**words))


def test_pylon_writes_into_the_segments(empty: BrokerProcess) -> None:
    """Method: the addresses of pylon's images are those of the segments, and readers get the same bytes."""
    camera = opened()
    with (
        empty.connect() as broker,
        broker.produce("cam0", width=320, height=240, pixel_format="Mono8", fixed_pool=True) as producer,
        broker.subscribe("cam0", max_held=2) as subscription,
    ):
        factory = SegmentFactory(producer)
        factory.attach(camera)
        assert factory.contexts == tuple(range(1000, 1000 + len(producer.segments())))
        assert set(factory.addresses.values()) == {segment.address for segment in producer.segments()}
        assert camera.MaxNumBuffer.Value == len(factory.contexts)
        camera.StartGrabbing(pylon.GrabStrategy_OneByOne)
        for _ in range(3 * len(factory.contexts)):
            result = camera.RetrieveResult(5000)
            context = result.GetBufferContext()
            with result.GetImageMemoryView() as view:
                image = np.frombuffer(view, np.uint8)
                assert image.ctypes.data == factory.addresses[context]
                written = hashlib.sha256(image).digest()
                del image
            assert factory.publish(result)
            with subscription.next(5) as frame:
                assert frame.buffer_context == context and frame.array.shape == (240, 320)
                assert hashlib.sha256(frame.data).digest() == written
            factory.refill()
        assert 0 < factory.in_ring < len(factory.contexts)
        camera.StopGrabbing()
        factory.release()
        assert factory.in_ring == 0
        camera.Close()
    empty.end()


def test_the_same_bytes_in_rust_c_and_python(empty: BrokerProcess, start_grabber: StartGrabber, tmp_path: Path) -> None:
    """Method: Python hashes every frame; C every one it gets; Rust (``framectl``) saves one losslessly."""
    counting = start_c_hashes(empty, tmp_path)
    with empty.connect() as broker, broker.subscribe("cam0", max_held=4) as subscription:
        grabber = start_grabber(empty, "--width", 64, "--height", 48, "--fps", 25)
        grabber.ready()
        seen: dict[int, tuple[str, Any]] = {}
        saving = subprocess.Popen(
            [program("framectl"), "--socket", empty.socket, "save", "cam0", str(tmp_path / "frame.png"), "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        while len(seen) < 50 or saving.poll() is None or counting.poll() is None:
            with subscription.next(10) as frame:
                seen[frame.sequence] = (fnv1a(bytes(frame.data)), frame.copy())
        saved = json.loads(saving.communicate(timeout=PATIENCE_S)[0])
        hashes = [line.split() for line in counting.communicate(timeout=PATIENCE_S)[0].splitlines()]
        assert len(hashes) == 40 and counting.returncode == 0
        assert all(seen[int(sequence)][0] == digest for sequence, digest in hashes)
        with Image.open(tmp_path / "frame.png") as image:
            assert (np.asarray(image) == seen[saved["sequence"]][1]).all()
        assert len({digest for digest, _ in seen.values()}) > 40, "the images move"
        assert subscription.counters.lost == 0
        grabber.end()


def start_c_hashes(broker: BrokerProcess, folder: Path) -> subprocess.Popen[str]:
    library, compiler = Path(program("broker")).parent / "libframebroker_c.a", shutil.which("cc")
    assert compiler and library.exists(), "needs cc, and cargo build --package framebroker-c"
    source, include = HERE / "hashes.c", REPOSITORY / "client/c/include"
    words = [compiler, "-O2", source, f"-I{include}", library, "-lpthread", "-ldl", "-lm", "-o", folder / "hashes"]
    subprocess.run([str(word) for word in words], check=True, timeout=PATIENCE_S)
    environment = {**os.environ, "FRAMEBROKER_SOCKET": broker.socket}
    process = subprocess.Popen([folder / "hashes", "cam0", "40"], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None and process.stdout.readline() == "subscribed\n"
    return process


def fnv1a(data: bytes) -> str:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def test_two_cameras_feed_two_streams(start_broker: StartBroker, start_grabber: StartGrabber, tmp_path: Path) -> None:
    cameras = {"left": FIRST, "right": SECOND}
    streams = [f'[[stream]]\nname = "{name}"\n' for name in cameras]
    config = tmp_path / "cameras.toml"
    config.write_text('source = "producer"\n' + "".join(streams), encoding="utf-8")
    process = start_broker("--config", config)
    for name, serial in cameras.items():
        ready = start_grabber(process, "--stream", name, "--serial", serial, "--width", 64, "--fps", 50).ready()
        assert f"stream={name} camera={serial} " in ready and "geometry=64x1040" in ready
    with process.connect() as broker:
        for name, serial in cameras.items():
            with broker.subscribe(name) as subscription:
                assert [subscription.next(10).width for _ in range(20)] == [64] * 20
            (info,) = (stream for stream in broker.streams() if stream.name == name)
            assert (info.model, info.serial, info.fps) == ("Basler Emulation", serial, 50.0)


def test_a_killed_grabber_and_the_next(empty: BrokerProcess, start_grabber: StartGrabber) -> None:
    """Goal: what is held stays as it is, sequences go on, and nothing leaks (the broker says so at its end)."""
    with empty.connect() as broker, broker.subscribe("cam0", max_held=4) as subscription:
        held, last = [], 0
        for round_ in range(3):
            grabber = start_grabber(empty, "--width", 64, "--height", 48, "--fps", 200)
            grabber.ready()
            for _ in range(20):
                frame = subscription.next(10)
                assert frame.sequence > last and frame.camera_timestamp_ns is None
                last = frame.sequence
            held.append((frame, hashlib.sha256(frame.data).digest()))
            del frame
            grabber.kill()
            wait_until(lambda: subscription.try_next() is None and broker.streams()[0].state == "offline", "offline")
            assert all(hashlib.sha256(frame.data).digest() == digest for frame, digest in held), round_
        del held
    empty.end()


@pytest.mark.parametrize(
    "options,geometry,dtype",
    [
        (("--pixel-format", "RGB8", "--width", 40, "--height", 30), (30, 40, 3), np.uint8),
        (("--set", "PixelFormat=Mono12", "--set", "Width=33", "--set", "Height=7"), (7, 33), np.uint16),
        (("--pixel-format", "BGRa8", "--width", 16, "--height", 8), (8, 16, 4), np.uint8),
    ],
)
def test_geometry_and_format(
    empty: BrokerProcess,
    start_grabber: StartGrabber,
    options: tuple[object, ...],
    geometry: tuple[int, ...],
    dtype: Any,
) -> None:
    grabber = start_grabber(empty, "--set", "OffsetX=5", "--fps", 50, *options)
    grabber.ready()
    with empty.connect() as broker, broker.subscribe("cam0") as subscription, subscription.next(10) as frame:
        assert frame.array.shape == geometry and frame.array.dtype == dtype
        assert frame.offset_x == 5 and frame.array.max() > 0
    said, _ = grabber.end(signal.SIGTERM)
    assert "incomplete=0" in said and "starts=1" in said


def test_what_cannot_be_is_told(empty: BrokerProcess, start_grabber: StartGrabber) -> None:
    wrong = [
        (("--set", "Gian=3"), "no feature Gian; did you mean Gain"),
        (("--set", "PixelFormat=Foo"), "there is Mono8, Mono10"),
        (("--width", 100000), "Width cannot be 100000: it goes from 1 to 4096"),
        (("--serial", "7"), f"no camera with serial number 7; there is {FIRST} (Basler Emulation), {SECOND}"),
        (("--load", "/nowhere.pfs"), "cannot load /nowhere.pfs"),
        (("--socket", "/nowhere/s"), "no broker found"),
    ]
    started = [(start_grabber(empty, *options), complaint) for options, complaint in wrong]
    for grabber, complaint in started:
        assert complaint in grabber.fails()


@pytest.mark.parametrize(
    "option,number,advice",
    [("--fps", number, "above 0") for number in ("-1", "0", "nan", "inf", "fast")]
    + [("--width", number, "1 or more") for number in ("-1", "0", "wide")],
)
def test_numbers_that_cannot_be_are_told(option: str, number: str, advice: str) -> None:
    command = [sys.executable, "-m", "framebroker.pylon", option, number]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == 2 and f"{option}: {number} is not {advice}" in ended.stderr


def test_cameras_are_listed_and_settings_loaded(
    empty: BrokerProcess, start_grabber: StartGrabber, tmp_path: Path
) -> None:
    grabber = start_grabber(empty, "--list")
    said, _ = grabber.process.communicate(timeout=PATIENCE_S)
    assert [line.split()[0] for line in said.splitlines()] == [FIRST, SECOND]
    camera = opened(width=72, height=36)
    pylon.FeaturePersistence.Save(str(tmp_path / "settings.pfs"), camera.GetNodeMap())
    camera.Close()
    loading = start_grabber(empty, "--load", tmp_path / "settings.pfs", "--count", 5)
    assert "geometry=72x36" in loading.ready()
    assert loading.line().startswith("ended published=5 ")


def test_incomplete_frames_are_counted(start_broker: StartBroker, start_grabber: StartGrabber) -> None:
    """Method: the emulator fails three buffers."""
    process = start_broker("--source", "producer", "--publish-incomplete")
    fail = ("--set", "ForceFailedBufferCount=3", "--set", "ForceFailedBuffer=1")
    with process.connect() as broker, broker.subscribe("cam0", max_held=8) as subscription:
        grabber = start_grabber(process, "--width", 64, "--height", 48, "--fps", 50, "--count", 5, *fail)
        grabber.ready()
        frames = [subscription.next(10) for _ in range(8)]
        assert [frame.is_complete for frame in frames] == [False] * 3 + [True] * 5
        assert "published=5 incomplete=3" in grabber.line()
        assert broker.stats()[0].incomplete == 3
        del frames


def test_a_lost_camera_is_looked_for(empty: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Method: the emulator says that its camera was removed; the next attempts find none, then it again."""
    cameras: list[Any] = []
    absent = 2

    def find(serial: str | None, settings: _camera.Settings) -> Any:
        nonlocal absent
        if len(cameras) == 1 and absent:
            absent -= 1
            raise _camera.CameraError("no camera for now")
        cameras.append(_camera.opened(serial, settings))
        return cameras[-1]

    monkeypatch.setattr(_grab, "opened", find)
    stop, news, ended = threading.Event(), list[object](), list[_grab.Summary]()
    options = _grab.Options("cam0", empty.socket, FIRST, _camera.Settings(width=64, height=48, fps=100))
    thread = threading.Thread(target=lambda: ended.append(_grab.run(options, stop, news.append)))
    with empty.connect() as broker, broker.subscribe("cam0") as subscription:
        thread.start()
        try:
            before = subscription.next(10).sequence
            nodes = cameras[0].GetNodeMap()
            nodes.GetNode("FirePnPCallbackValue").Value = 1
            nodes.GetNode("FirePnPCallback").Execute()
            wait_until(
                lambda: len([entry for entry in news if isinstance(entry, _grab.Ready)]) == 2, "the camera again"
            )
            later = [subscription.next(10).sequence for _ in range(20)]
        finally:
            stop.set()
            thread.join(PATIENCE_S)
    assert later[-1] > before and ended[0].starts == 2 and absent == 0
    texts = [entry for entry in news if isinstance(entry, str)]
    assert texts and "looking for it again" in texts[0], news
    empty.end()


def test_a_lost_broker_is_looked_for(empty: BrokerProcess, start_grabber: StartGrabber) -> None:
    grabber = start_grabber(empty, "--width", 64, "--height", 48, "--fps", 100)
    grabber.ready()
    with empty.connect() as broker, broker.subscribe("cam0", reconnect=True) as subscription:
        held = subscription.next(10)
        digest = hashlib.sha256(held.data).digest()
        empty.kill()
        time.sleep(0.3)  # frames come meanwhile, and must not be written into what is held
        empty.again()
        grabber.ready()
        assert subscription.next(10).sequence and subscription.reconnects == 1
        assert hashlib.sha256(held.data).digest() == digest
        del held
    said, complaints = grabber.end()
    assert "starts=2" in said and "looking for it again" in complaints


def test_an_evicted_reader_costs_pylon_no_buffer(start_broker: StartBroker, start_grabber: StartGrabber) -> None:
    """Goal: where the broker gives up a segment that is read, pylon does not write it, and begins anew with as many as
    before. Method: a frame is held beyond the lease, and looked at to the end."""
    process = start_broker("--source", "producer", "--segments", 6, "--lease", 200, "--evict")
    grabber = start_grabber(process, "--width", 64, "--height", 48, "--fps", 100)
    buffers = grabber.ready().count(",")
    with process.connect() as broker, broker.subscribe("cam0") as subscription:
        held = subscription.next(10)
        digest = hashlib.sha256(held.data).digest()
        wait_until(lambda: broker.stats()[0].evicted == 1, "the eviction")
        assert grabber.ready().count(",") >= buffers
        with broker.subscribe("cam0") as other:
            for _ in range(30):
                other.next(10).release()
        assert hashlib.sha256(held.data).digest() == digest
        del held
    said, _ = grabber.end()
    assert "starts=2" in said


def result(**changes: Any) -> Any:
    """What pylon says of an image of 10x4 pixels."""
    facts = {
        "BlockID": 5, "PayloadType": 0, "TimeStamp": 125, "Width": 10, "Height": 4, "PixelType": 0x01080001,
        "OffsetX": 2, "OffsetY": 3, "ImageSize": 48, "PayloadSize": 60, "Stride": (True, 12), **changes,
    }  # fmt: skip
    calls = {f"Get{name}": (lambda value=value: value) for name, value in facts.items()}
    chunk, succeeded = facts["PayloadType"] == 1, changes.get("succeeded", True)
    return SimpleNamespace(**calls, GrabSucceeded=lambda: succeeded, IsChunkDataAvailable=lambda: chunk)


def test_what_the_emulator_does_not_do() -> None:
    """Goal: ticks, gaps in block IDs, padding, chunk data, and payloads without an image. Method: results made up."""
    reader = _results.Reader(tick_hz=125_000_000)
    first = reader.info(result())
    assert first is not None and first["camera_timestamp_ns"] == 1000 and first["stride"] == 12
    assert (first["offset_x"], first["offset_y"], first["chunk_bytes"], first["lost_at_camera"]) == (2, 3, 0, 0)
    second = reader.info(result(BlockID=9, PayloadType=1))
    assert second is not None and (second["lost_at_camera"], second["chunk_bytes"]) == (3, 12)
    assert reader.info(result(BlockID=10, PayloadType=4)) is None
    failed = reader.info(result(BlockID=2**64 - 1, Width=0, succeeded=False))
    assert failed == {"complete": False, "block_id": None, "lost_at_camera": 0, "camera_timestamp_ns": 1000}
    ids = (65534, 2, 3, 3, 70000, 69000)
    counted = [reader.info(result(BlockID=number)) for number in ids]
    assert [entry and entry["lost_at_camera"] for entry in counted] == [0, 2, 0, 0, 69996, 0]
    again = reader.info(result(BlockID=1, Stride=(False, 0)))
    assert again is not None and (again["lost_at_camera"], again["stride"]) == (0, 0)


def test_pylon_may_not_have_more_than_there_is(empty: BrokerProcess) -> None:
    camera = opened(width=320)
    with (
        empty.connect() as broker,
        broker.produce("cam0", width=16, height=16, pixel_format="Mono8", fixed_pool=True) as producer,
    ):
        factory = SegmentFactory(producer)
        with pytest.raises(_camera.CameraError, match="buffers of 76800 bytes, the segments have 256"):
            with _grab._grabbing(camera, factory):
                pass
    camera.Close()

"""Goal: camera settings are read, set and told of, and who may not is refused by a class of its own. Method: the
features of the test pattern, which has every kind."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import framebroker
import numpy as np
import pytest
from conftest import BrokerProcess, wait_until
from test_fork import in_child

# Python 3.12 warns of forks beside threads, which is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

Value = int | float | bool | str


def controller(process: BrokerProcess, name: str = "control") -> framebroker.Broker:
    return framebroker.Broker(process.socket, name, control=True)


def words(feature: framebroker.Feature) -> dict[str, object]:
    names = [name for name in dir(feature) if not name.startswith("_") and name != "value"]
    return {name: getattr(feature, name) for name in names}


def test_features_of_every_kind_are_told(broker: BrokerProcess) -> None:
    with broker.connect() as connection:
        features = {feature.name: feature for feature in connection.features("cam0")}
        kinds = {feature.kind for feature in features.values()}
        assert kinds == {"integer", "float", "boolean", "enumeration", "string", "command"}
        for name, listed in features.items():
            assert words(connection.feature("cam0", name)) == words(listed)
        offset, rate = features["OffsetX"], features["AcquisitionFrameRate"]
        assert (offset.value, offset.min, offset.max, offset.increment, offset.unit) == (0, 0, 16320, 4, "px")
        assert (rate.value, rate.min, rate.increment, rate.unit, rate.entries) == (200.0, 0.001, None, "Hz", [])
        assert type(offset.min) is int and type(rate.min) is float and type(rate.value) is float
        pixel_format, switch = features["PixelFormat"], features["AcquisitionFrameRateEnable"]
        assert pixel_format.value == "Mono8" and "Mono12p" in pixel_format.entries and pixel_format.min is None
        assert switch.value is True and switch.access == "read-write" and switch.is_writable
        command, fixed = features["TimestampReset"], features["SensorWidth"]
        assert (command.value, command.access, command.is_readable) == (None, "execute", False)
        assert (fixed.access, fixed.is_readable, fixed.is_writable) == ("read-only", True, False)
        assert fixed.description and "Feature(name='SensorWidth'" in repr(fixed)
        assert {feature.visibility for feature in features.values()} <= {None, "beginner", "expert", "guru"}


@pytest.mark.parametrize(
    "name,value,becomes",
    [
        ("OffsetX", 8, 8),
        ("OffsetX", np.int64(8), 8),
        ("OffsetX", "0x10", 16),
        ("AcquisitionFrameRate", 50, 50.0),
        ("AcquisitionFrameRate", 62.5, 62.5),
        ("AcquisitionFrameRate", np.float32(62.5), 62.5),
        ("AcquisitionFrameRateEnable", False, False),
        ("AcquisitionFrameRateEnable", np.bool_(False), False),
        ("AcquisitionFrameRateEnable", "off", False),
        ("PixelFormat", "mono16", "Mono16"),
        ("DeviceUserID", "links ü", "links ü"),
    ],
)
def test_values_of_every_kind_are_set(broker: BrokerProcess, name: str, value: Value, becomes: Value) -> None:
    with controller(broker) as control:
        setting = control.set_feature("cam0", name, value)
        assert setting.feature.value == becomes and type(setting.feature.value) is type(becomes)
        assert control.feature("cam0", name).value == becomes and setting.version == 1
        assert control.execute("cam0", "TimestampReset").version == 2


def test_refusals_have_classes_and_say_what_would_do(broker: BrokerProcess) -> None:
    with broker.connect() as reader, pytest.raises(framebroker.ForbiddenError, match="role control") as forbidden:
        reader.set_feature("cam0", "OffsetX", 8)
    assert forbidden.value.code == "Forbidden" and isinstance(forbidden.value, PermissionError)
    with controller(broker) as control:

        def refused(name: str, value: object, error: type[Exception], says: str) -> None:
            with pytest.raises(error, match=says):
                control.set_feature("cam0", name, value)  # type: ignore[arg-type]

        refused("Width", 20_000, framebroker.InvalidValueError, "1 to 16384")
        refused("Width", "wide", ValueError, '"wide"')
        refused("PixelFormat", "Mono9", framebroker.InvalidValueError, "Mono8")
        refused("AcquisitionFrameRate", float("nan"), framebroker.InvalidValueError, "no number")
        refused("Widht", 1, framebroker.UnknownFeatureError, "the nearest is Width")
        refused("Zoom", 1, LookupError, "Zoom")
        refused("SensorWidth", 1, framebroker.NotAccessibleError, "read-only")
        refused("Width", None, TypeError, "int, float, bool or str, not to NoneType")
        refused("Width", [1], TypeError, "not to list")
        refused("Width", 1 << 64, OverflowError, "int")
        refused("DeviceUserID", "x" * 5000, ValueError, "5000")
        refused("", 1, framebroker.InvalidNameError, "name")
        with pytest.raises(framebroker.NotAccessibleError, match="other features"):
            control.execute("cam0", "TriggerSoftware")
        with pytest.raises(framebroker.UnknownStreamError, match="cam0"):
            control.features("cam7")
        assert control.feature("cam0", "Width").value == 64


def test_the_frame_of_a_trigger_has_the_settings_before_it(broker: BrokerProcess) -> None:
    with controller(broker) as control, broker.connect() as connection, connection.subscribe("cam0") as frames:
        control.set_feature("cam0", "TriggerMode", "On")
        for width in (32, 48, 64):
            setting = control.set_feature("cam0", "DeviceUserID", str(width))
            triggered = control.execute("cam0", "TriggerSoftware")
            with frames.next_with(setting, timeout=10) as frame:
                assert (frame.settings_version, frame.sequence) == (setting.version, triggered.head + 1)
                assert frame.is_exposed_with(setting) and frame.is_exposed_with(setting.version)
                assert not frame.is_exposed_with(setting.version + 1)
            with pytest.raises(framebroker.WaitTimeoutError):
                frames.next(timeout=0.05)
        setting = control.set_feature("cam0", "DeviceUserID", "last")
        with control.trigger("cam0", timeout=10) as frame:
            assert frame.is_exposed_with(setting) and frame.sequence > setting.head
        assert (change := frames.next_change()) is not None and frame.is_exposed_with(change)


def test_what_waits_for_a_setting_says_how_far_it_came(broker: BrokerProcess) -> None:
    with controller(broker) as control, broker.connect() as connection, connection.subscribe("cam0") as frames:
        frames.next(timeout=10).release()
        version = control.set_feature("cam0", "DeviceUserID", "x").version + 1
        with pytest.raises(framebroker.WaitTimeoutError, match=rf"version {version}: of \d+ that came") as late:
            frames.next_with(version, timeout=0.2)
        assert late.value.waiting_for == "setting"
        control.set_feature("cam0", "TriggerMode", "On")
        held = [control.trigger("cam0", timeout=10) for _ in range(2)]
        with pytest.raises(framebroker.HeldFramesError, match="test_features.py"):
            control.trigger("cam0", timeout=10)
        held[0].release()
        with control.trigger("cam0", timeout=10):
            pass
        for wrong in ("1", None, 1.5):
            with pytest.raises(TypeError):
                frames.next_with(wrong, timeout=0)  # type: ignore[arg-type]


def test_sole_control_ends_with_its_block(broker: BrokerProcess) -> None:
    with controller(broker, "first") as first, controller(broker, "second") as second:
        with first.take_control("cam0") as sole:
            assert sole.stream == "cam0" and "cam0" in repr(sole)
            with pytest.raises(framebroker.ControlledError, match=f"first, pid {os.getpid()}") as controlled:
                second.set_feature("cam0", "OffsetX", 4)
            assert controlled.value.code == "Controlled" and isinstance(controlled.value, PermissionError)
            assert first.set_feature("cam0", "OffsetX", 8).version == 1
            assert second.feature("cam0", "OffsetX").value == 8
        second.set_feature("cam0", "OffsetX", 4)
        # Without a block: until it is given back, whatever becomes of the object.
        first.take_control("cam0")
        with pytest.raises(framebroker.ControlledError):
            second.take_control("cam0")
        first.give_control("cam0")
        # It ends with the connection, also in the middle of a block; an exception of the block comes through.
        with pytest.raises(KeyError, match="the block's"), first.take_control("cam0"):
            first.close()
            raise KeyError("the block's")
        with second.take_control("cam0"):
            second.close()
        with controller(broker) as third:
            wait_until(lambda: not refused_by_others(third), "the end of sole control")


def refused_by_others(control: framebroker.Broker) -> bool:
    try:
        control.set_feature("cam0", "OffsetX", 0)
    except framebroker.ControlledError:
        return True
    return False


def test_changes_are_told_and_frames_carry_their_version(broker: BrokerProcess) -> None:
    with controller(broker, "setter") as control, control.subscribe("cam0") as subscription:
        assert subscription.next(10).settings_version == 0 and subscription.next_change() is None
        setting = control.set_feature("cam0", "Width", 32)
        control.execute("cam0", "TimestampReset")
        changes: list[framebroker.SettingsChange] = []

        def told() -> bool:
            frame = subscription.next(10)
            assert frame.is_exposed_with(setting) == (frame.array.shape[1] == 32)
            while (change := subscription.next_change()) is not None:
                changes.append(change)
            return len(changes) == 2 and frame.settings_version == 2

        wait_until(told, "the news")
        width, command = changes
        assert (width.version, width.feature, width.value) == (1, "Width", 32) and "setter" in width.by
        assert (command.version, command.feature, command.value) == (2, "TimestampReset", None)
        subscription.close()
        with pytest.raises(framebroker.ClosedError):
            subscription.next_change()


def test_changes_are_told_in_asyncio(broker: BrokerProcess) -> None:
    async def read() -> framebroker.SettingsChange:
        with controller(broker) as control, control.subscribe("cam0") as subscription:
            control.set_feature("cam0", "DeviceUserID", "new")
            async for frame in subscription:
                frame.release()
                if (change := subscription.next_change()) is not None:
                    return change
        raise AssertionError("the stream has ended")

    change = asyncio.run(asyncio.wait_for(read(), 30))
    assert (change.feature, change.value) == ("DeviceUserID", "new")


def test_other_threads_run_while_one_asks_a_camera(broker: BrokerProcess) -> None:
    """Method: a broker that is stopped answers nothing."""
    with framebroker.Broker(broker.socket, control=True, timeout=1.0) as control, ThreadPoolExecutor() as pool:
        broker.process.send_signal(signal.SIGSTOP)
        try:
            asking = pool.submit(control.set_feature, "cam0", "OffsetX", 8)
            counted = 0
            while not asking.done():
                counted += 1
            with pytest.raises(framebroker.WaitTimeoutError) as timeout:
                asking.result()
        finally:
            broker.process.send_signal(signal.SIGCONT)
        assert timeout.value.waiting_for == "answer" and counted > 100


def test_a_forked_child_is_refused(broker: BrokerProcess) -> None:
    with controller(broker) as control, control.subscribe("cam0") as subscription:
        sole = control.take_control("cam0")
        uses = (
            lambda: control.features("cam0"),
            lambda: control.feature("cam0", "Width"),
            lambda: control.set_feature("cam0", "Width", 8),
            lambda: control.execute("cam0", "TimestampReset"),
            lambda: control.take_control("cam0"),
            lambda: control.give_control("cam0"),
            lambda: sole.__exit__(None, None, None),
            subscription.next_change,
        )

        def child() -> None:
            for use in uses:
                with pytest.raises(framebroker.ForkedError):
                    use()

        in_child(child)
        assert control.set_feature("cam0", "OffsetX", 8).version == 1

"""Goal: tensor libraries take a frame over as DLPack says, and never without knowing that it is read-only. Method:
NumPy, a consumer written in ctypes, and PyTorch where it is installed."""

from __future__ import annotations

import ctypes
import threading

import framebroker
import numpy as np
import pytest
from conftest import BrokerProcess
from framebroker import Frame


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class ManagedTensor(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        # CDLL-like: called without the interpreter's lock.
        ("deleter", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    ]


def pointer(capsule: object) -> int:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get(capsule, b"dltensor_versioned")  # type: ignore[no-any-return]


def rename(capsule: object) -> None:
    name = ctypes.pythonapi.PyCapsule_SetName
    name.argtypes = [ctypes.py_object, ctypes.c_char_p]
    # The capsule keeps the pointer to its name.
    rename.name = b"used_dltensor_versioned"  # type: ignore[attr-defined]
    assert name(capsule, rename.name) == 0  # type: ignore[attr-defined]


@pytest.fixture
def frame(broker: BrokerProcess):  # type: ignore[no-untyped-def]
    with broker.connect() as connection, connection.subscribe("cam0") as subscription:
        frame = subscription.next(10)
        yield frame
        frame.release()
        assert subscription.held == 0


def test_the_structure(frame: Frame) -> None:
    capsule = frame.__dlpack__(max_version=(1, 3))
    managed = ManagedTensor.from_address(pointer(capsule))
    tensor = managed.tensor
    assert (managed.major, managed.minor, managed.flags) == (1, 0, 1)
    assert (tensor.device_type, tensor.device_id, tensor.ndim, tensor.byte_offset) == (1, 0, 2, 0)
    assert (tensor.code, tensor.bits, tensor.lanes) == (1, 8, 1)
    assert (tensor.shape[:2], tensor.strides[:2]) == ([48, 64], [64, 1])
    assert tensor.data == frame.array.__array_interface__["data"][0]
    assert frame.__dlpack_device__() == (1, 0)


def test_a_consumer_that_takes_it_over_gives_it_back_from_any_thread(frame: Frame) -> None:
    capsule = frame.__dlpack__(max_version=(1, 0))
    address = pointer(capsule)
    rename(capsule)
    del capsule
    with pytest.raises(BufferError, match="in use"):
        frame.release()
    managed = ManagedTensor.from_address(address)
    thread = threading.Thread(target=managed.deleter, args=(address,))
    thread.start()
    thread.join(20)


def test_numpy(frame: Frame) -> None:
    tensor = np.from_dlpack(frame)
    assert np.array_equal(tensor, frame.array) and not tensor.flags.writeable
    copied = np.from_dlpack(frame, copy=True)
    assert np.array_equal(copied, tensor) and copied.flags.writeable and not np.shares_memory(copied, tensor)


@pytest.mark.parametrize("max_version", [None, (0, 8)])
def test_old_consumers_are_refused_and_offered_a_copy(frame: Frame, max_version: tuple[int, int] | None) -> None:
    with pytest.raises(BufferError, match=r"read-only.*frame.copy\(\)"):
        frame.__dlpack__(max_version=max_version)
    assert "dltensor" in repr(frame.__dlpack__(max_version=max_version, copy=True))


def test_other_devices_and_streams_are_refused(frame: Frame) -> None:
    for copy in (None, False, True):
        with pytest.raises(BufferError, match="CPU"):
            frame.__dlpack__(max_version=(1, 0), dl_device=(2, 0), copy=copy)
    with pytest.raises(ValueError, match="stream"):
        frame.__dlpack__(stream=1, max_version=(1, 0))  # type: ignore[arg-type]
    assert frame.__dlpack__(max_version=(1, 0), dl_device=(1, 0))


def test_a_frame_that_was_given_back(frame: Frame) -> None:
    frame.release()
    for copy in (None, True):
        with pytest.raises(framebroker.ReleasedError):
            frame.__dlpack__(max_version=(1, 0), copy=copy)


def test_torch(frame: Frame) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
    copied = torch.from_dlpack(frame.copy())
    assert copied.shape == (48, 64) and copied.dtype == torch.uint8
    try:
        tensor = torch.from_dlpack(frame)
    except BufferError as old:
        assert "max_version" in str(old)
        return
    assert tensor.data_ptr() == frame.array.__array_interface__["data"][0] and torch.equal(tensor, copied)
    with pytest.raises(BufferError, match="in use"):
        frame.release()
    del tensor

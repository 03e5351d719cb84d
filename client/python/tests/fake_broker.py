"""A broker in the test's own process that says whatever the test wants, by socket delivery: frames that no source of
the real one makes. Written from PROTOCOL.md."""

from __future__ import annotations

import fcntl
import mmap
import os
import queue
import socket
import struct
import tempfile
import threading
from dataclasses import astuple, dataclass

PATIENCE_S = 20.0
SEGMENT_BYTES = 16384
# F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE
SEALS = 0x01 | 0x02 | 0x04 | 0x10


@dataclass
class Header:
    """A frame header, in the order of its fields."""

    context: int = 1 << 16
    usage_count: int = 1
    camera_timestamp_ns: int = 0
    monotonic_ns: int = 1
    realtime_ns: int = 2
    block_id: int = 0
    payload_offset: int = 0
    payload_bytes: int = 0
    chunk_offset: int = 0
    chunk_bytes: int = 0
    buffer_context: int = 1000
    width: int = 0
    height: int = 0
    stride: int = 0
    offset_x: int = 0
    offset_y: int = 0
    pixel_format: int = 0x0108_0001
    status: int = 0
    lost_at_camera: int = 0
    settings_version: int = 0
    reserved: int = 0

    def encoded(self) -> bytes:
        return struct.pack("<10Q10IQ", *astuple(self))


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


class FakeBroker:
    """Serves one segment to one subscriber."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="framebroker-")
        self.path = os.path.join(self._folder.name, "s")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(self.path)
        self._listener.listen()
        self._segment = os.memfd_create("fake-segment", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._segment, SEGMENT_BYTES)
        self.memory = mmap.mmap(self._segment, SEGMENT_BYTES)
        fcntl.fcntl(self._segment, fcntl.F_ADD_SEALS, SEALS)
        self._subscriber: queue.Queue[socket.socket] = queue.Queue()
        self.released: queue.Queue[int] = queue.Queue()
        self._connected: socket.socket | None = None
        self.state = 1
        """Of its one stream, as the list tells: live."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Ends the thread that accepts, whose sessions end with their peers.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.close(self._segment)
        self._folder.cleanup()

    def send(self, header: Header, payload: bytes) -> None:
        """Sends a frame to the subscriber."""
        self.memory[: len(payload)] = payload
        self.tell(0, 3, struct.pack("<II", 1, 1) + header.encoded())

    def tell(self, request: int, variant: int, body: bytes) -> None:
        """Says anything to the subscriber."""
        if self._connected is None:
            self._connected = self._subscriber.get(timeout=PATIENCE_S)
        self._connected.send(struct.pack("<II", request, variant) + body)

    def _accept(self) -> None:
        while True:
            try:
                session, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session: socket.socket) -> None:
        with session:
            while message := session.recv(65536):
                request, variant = struct.unpack_from("<II", message)
                answer, descriptors = self._answer(variant, message[8:])
                if answer:
                    socket.send_fds(session, [struct.pack("<I", request) + answer], descriptors)
                if variant == 2:
                    self._subscriber.put(session)

    def _answer(self, variant: int, body: bytes) -> tuple[bytes, list[int]]:
        if variant == 0:
            return struct.pack("<IIQQ", 0, 1, 7, 8), []
        if variant == 1:
            stream = text("cam0") + struct.pack("<II", 0, self.state) + text("fake") + text("") + text("")
            stream += struct.pack("<IIIQI", 8, 8, 0x0108_0001, 0, 0) + text("memfd")
            stream += struct.pack("<?IIIQ", False, 1, 1, 8, 0) + text("")
            return struct.pack("<IQ", 1, 1) + stream + b"\0", []
        if variant == 2:
            name_bytes = struct.unpack_from("<Q", body)[0]
            policy, delivery, max_held, _ = struct.unpack_from("<4I", body, 8 + name_bytes)
            segment = struct.pack("<HIQI", 0, 1, SEGMENT_BYTES, 1) + text("")
            policy = 0 if policy == 4 else policy  # OfStream: this one's is sequential
            return struct.pack("<6IQQ", 2, 1, 0, policy, delivery, max_held, 1, 1) + segment, [self._segment]
        if variant == 4:
            self.released.put(struct.unpack_from("<IQ", body)[1])
        return b"", []

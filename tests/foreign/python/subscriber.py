#!/usr/bin/env python3
"""A framebroker subscriber in Python's standard library, with socket delivery, that verifies the test pattern.

Written from protocol/PROTOCOL.md alone. Python 3.9 or newer.
"""
import argparse
import fcntl
import json
import mmap
import os
import select
import socket
import stat
import struct
import sys

from pattern import is_pattern
from vectors import vectors
from wire import Malformed, decode_message, encode, variant_of


class Ended(Exception):
    """The session is over; why."""


def connect(given=None):
    env, uid = os.environ.get, os.geteuid()
    paths = [f"{env('XDG_RUNTIME_DIR')}/framebroker.sock"] if env("XDG_RUNTIME_DIR") else []
    paths += ["/run/framebroker/broker.sock", f"/tmp/framebroker-{uid}/broker.sock"]
    tried = []
    for path in [given or env("FRAMEBROKER_SOCKET")] if given or env("FRAMEBROKER_SOCKET") else paths:
        broker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)    # close-on-exec, as all descriptors in Python
        broker.settimeout(30)                                            # for answers; frames may take any time
        try:
            broker.connect(path)
            _, server, _ = struct.unpack("iII", broker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if server in (0, uid):
                return broker
            tried.append(f"{path}: user {server} serves there, who is not trusted")
        except OSError as error:
            tried.append(f"{path}: {error}")
        broker.close()
    raise Ended("no broker: " + "; ".join(tried))


def map_segment(info, fds):
    """A read-only mapping of a segment, after the checks by which no access to it can fault; None if it is gone already."""
    try:
        fd = os.open(info["path"], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) if info["path"] else fds.pop(0)
    except FileNotFoundError:                                            # SegmentRemoved is on its way
        return None
    try:
        status = os.fstat(fd)
        if not 0 < info["bytes"] <= status.st_size:                      # Python takes 0 for the whole file
            raise Malformed(f"segment {info['index']} has {status.st_size} bytes, not {info['bytes']}")
        if info["path"] and (not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid()):
            raise Malformed(f"{info['path']} is not a regular file of this user")
        if not info["path"] and fcntl.fcntl(fd, fcntl.F_GET_SEALS) & 0x17 != 0x17:
            raise Malformed(f"segment {info['index']} is not sealed")
        return mmap.mmap(fd, info["bytes"], mmap.MAP_SHARED, mmap.PROT_READ)   # keeps a duplicate of fd until its close()
    finally:
        os.close(fd)


class Subscriber:
    """One session with one subscription."""
    def __init__(self, args):
        self.args, self.segments, self.held, self.removed = args, {}, {}, set()   # by (index, backing); context -> key; keys
        self.frames = self.bad = self.lost = self.subscription = 0
        self.kept, self.reason, self.broker = None, None, None

    def send(self, name, request=0, /, **fields):
        try:
            self.broker.send(encode("ToBroker", {"id": request, "body": {name: fields}}))
        except (BrokenPipeError, ConnectionResetError):
            pass                                                         # the end; receive() tells why

    def receive(self):
        """The next message. Segments that come with it are mapped; descriptors never outlive this call."""
        try:
            data, fds, flags, _ = socket.recv_fds(self.broker, 65536, 64)
        except ConnectionResetError:                                     # the reason may still be there to be read
            data, fds, flags, _ = socket.recv_fds(self.broker, 65536, 64)
        try:
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise Malformed("a message was cut off; maybe `ulimit -n` is too low")
            if not data:
                raise Ended("the broker closed the session")
            message = decode_message("ToClient", data)
            name, fields = variant_of(message["body"])
            if len(fds) != sum(not info["path"] for info in fields.get("segments", ())):
                raise Malformed(f"{name} with {len(fds)} descriptors")
            if name == "Error":                                          # nothing is asked here that may fail and the session go on
                raise Ended(f"{fields['code']}: {fields['text']}")
            if name in ("Subscribed", "SegmentsAdded"):
                for info in fields["segments"]:
                    self.drop(*[key for key in self.segments if key[0] == info["index"]])
                    self.segments[info["index"], info["backing"]] = map_segment(info, fds)
                self.send("Mapped")
            return message["request"], name, fields
        finally:
            for fd in fds:
                os.close(fd)

    def ask(self, name, request, /, **fields):
        self.send(name, request, **fields)
        while (answer := self.receive())[0] != request:
            self.news(*answer[1:])
        return answer[2]

    def open(self):
        self.broker = connect(self.args.socket)
        self.ask("Hello", 1, version=1, name="subscriber.py", roles=1)
        info, more, passed = None, True, 0
        while more and info is None:
            page = self.ask("ListStreams", 2, **{"from": passed})
            info = next((i for i in page["streams"] if i["name"] == self.args.stream), None)
            passed, more = passed + len(page["streams"]), page["more"] and page["streams"]
        if info and info["content"] != "Pattern":
            raise Ended(f"{self.args.stream} does not show the test pattern: its frames cannot be verified")
        answer = self.ask("Subscribe", 3, stream=self.args.stream, policy=self.args.policy.title(), delivery="Socket",
                          max_held=self.args.max_held, start="Next")
        self.subscription, self.next = answer["subscription"], answer["first"]
        self.broker.settimeout(None)

    def drop(self, *keys):
        """Unmaps these segments, those with a held frame at its release."""
        for key in keys:
            if key in self.held.values():
                self.removed.add(key)
            else:
                self.removed.discard(key)
                if segment := self.segments.pop(key, None):
                    segment.close()

    def verify(self, header, key):
        """Counts the frame as bad unless every byte is as it should be."""
        segment = self.segments.get(key)
        end = header["payload_offset"] + header["payload_bytes"]
        if segment is None or end > len(segment) or header["chunk_offset"] + header["chunk_bytes"] > len(segment):
            raise Malformed(f"frame {header['context']} does not lie in a segment that was sent")
        with memoryview(segment) as whole, whole[header["payload_offset"]:end] as image:
            ok = is_pattern(image, header["pixel_format"], header["width"], header["height"], header["context"] >> 16)
        if not ok:
            print(f"frame {header['context'] >> 16}: wrong bytes", file=sys.stderr)
        self.bad += not ok

    def release(self, context):
        self.send("Release", subscription=self.subscription, context=context)
        key = self.held.pop(context)
        if key in self.removed:
            self.drop(key)

    def news(self, name, fields):
        if name == "Frame" and fields["subscription"] == self.subscription:
            header, context = fields["header"], fields["header"]["context"]
            if context >> 16 < self.next:
                raise Malformed(f"frame {context >> 16} comes after {self.next - 1}")
            key = self.held[context] = context & 0xFFFF, fields["backing"]
            if self.frames < self.args.count:                            # what comes beside a kept frame is only released
                self.lost += (context >> 16) - self.next
                self.next = (context >> 16) + 1
                self.verify(header, key)
                self.frames += 1
                if self.args.hold and self.frames == 1:
                    self.kept = header, key
                    print("holding", context, flush=True)
                    return
            self.release(context)
        elif name == "SegmentRemoved":
            self.drop((fields["index"], fields["backing"]))
        elif name in ("Offline", "Online", "Demoted"):
            print(f"{name.lower()} {fields.get('reason', '')}", file=sys.stderr)
        elif name in ("Evicted", "Closed"):
            self.reason = f"{name.lower()}: {fields['reason']}"
        # SegmentsAdded: receive() has mapped them. No other message comes without a request.

    def run(self):
        poll = select.poll()
        poll.register(self.broker, select.POLLIN)
        if self.args.hold:
            poll.register(0, select.POLLIN)
        line = False
        while self.kept or not self.reason and self.frames < self.args.count:
            for fd, _ in poll.poll():
                if fd == 0:
                    data = os.read(0, 4096)
                    line = line or not data or b"\n" in data
                    if line:
                        poll.unregister(0)
                    continue
                try:
                    self.news(*self.receive()[1:])
                except (Ended, OSError) as error:                        # a frame that is kept stays readable
                    self.reason = self.reason or str(error)
                    poll.unregister(fd)
            if line and self.kept:
                (header, key), self.kept = self.kept, None
                self.verify(header, key)
                self.release(header["context"])


def subscribe(args):
    subscriber, failed = Subscriber(args), False
    try:
        subscriber.open()
        subscriber.run()
    except (Ended, Malformed, OSError, ValueError) as error:
        subscriber.reason = str(error)
    except KeyboardInterrupt:
        subscriber.reason = "closed: interrupted"
    if subscriber.frames < args.count:
        print(subscriber.reason, file=sys.stderr)
        failed = not subscriber.reason.startswith("closed:")             # that the stream has ended is no failure
    print(json.dumps({"frames": subscriber.frames, "bad": subscriber.bad, "lost": subscriber.lost}))
    return int(failed or subscriber.bad > 0)


def main():
    def positive(text):
        if (number := int(text)) < 1:
            raise ValueError
        return number
    parser = argparse.ArgumentParser(description="Subscribes to a stream of the test pattern and verifies every byte.")
    parser.add_argument("stream", nargs="?")
    parser.add_argument("--vectors", metavar="DIR", help="check the golden vectors instead")
    parser.add_argument("--socket", metavar="PATH", help="the broker's socket [default: $FRAMEBROKER_SOCKET, else the usual places]")
    parser.add_argument("--count", type=positive, metavar="N", help="frames to take")
    parser.add_argument("--policy", choices=("sequential", "latest", "lossless", "upcoming"), default="sequential")
    parser.add_argument("--max-held", type=positive, default=2, metavar="K", help="frames on their way at once, 1 to 64 [default: 2]")
    parser.add_argument("--hold", action="store_true", help="keep the first frame until a line comes on standard input")
    args = parser.parse_args()
    if args.vectors:
        return vectors(args.vectors)
    if args.stream is None or args.count is None:
        parser.error("STREAM and --count are needed, or --vectors")
    return subscribe(args)


if __name__ == "__main__":
    sys.exit(main())

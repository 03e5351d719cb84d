"""Reads frames through instructions that want their data aligned: ``python aligned.py [BYTES]``.

The broker aligns what it is told to (``broker --align 64`` or more; 4096 if not told), and so does this client: the
address of every frame is a multiple of it.
"""

import sys

import framebroker
import numpy

align = int(sys.argv[1]) if len(sys.argv) > 1 else 64
with framebroker.Broker() as broker, broker.subscribe("cam0", policy="latest") as subscription:
    for _ in range(10):
        with subscription.next() as frame:
            address = frame.array.ctypes.data
            if address % align:
                sys.exit(f"frame {frame.sequence} lies at {address:#x}, no multiple of {align}: broker --align {align}")
            # Eight pixels at a time, as one 64-bit word each.
            words = numpy.frombuffer(frame.data[: frame.nbytes // 8 * 8], numpy.uint64)
            print(f"frame {frame.sequence} lies at {address:#x}: XOR of its words {numpy.bitwise_xor.reduce(words):#x}")
            del words

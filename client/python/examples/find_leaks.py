"""Finds buffers that were allocated and are neither in use nor freed, and programs that keep frames for too long:
``python find_leaks.py [SECONDS]``, 2 s if not given.

``broker --lease 2000`` reports the second kind in its log, and takes the buffers back with ``--evict``.
"""

import sys

import framebroker

longest_s = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
with framebroker.Broker() as broker:
    for stream in broker.stats():
        leaked = stream.total_allocated - stream.total_freed - stream.active_buffers
        if leaked:
            print(f"Warning: {stream.name}: {leaked} buffers were not freed")
        held = [
            (segment.buffer_context, holder)
            for segment in broker.segments(stream.id)
            for holder in segment.held_by
            if holder.held_ns > longest_s * 1e9
        ]
        for context, holder in held:
            who, seconds = f"{holder.name} (pid {holder.pid})", holder.held_ns / 1e9
            print(f"Warning: {stream.name}: {who} holds buffer {context} for {seconds:.1f} s")
        if not leaked and not held:
            print(f"{stream.name}: {stream.total_allocated} allocated, {stream.total_freed} freed, none leaked")

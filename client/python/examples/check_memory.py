"""Warns where buffers take more memory than a threshold: ``python check_memory.py [MB]``, 100 MB if not given.

The broker does so by itself with ``--memory-warn 100``, and keeps below ``--memory-limit``.
"""

import sys

import framebroker

threshold_mb = float(sys.argv[1]) if len(sys.argv) > 1 else 100
with framebroker.Broker() as broker:
    for stream in broker.stats():
        current_mb, peak_mb = stream.current_bytes / 2**20, stream.peak_bytes / 2**20
        print(f"{stream.name}: {stream.active_buffers} buffers, {current_mb:.2f} MB now, {peak_mb:.2f} MB at most")
        if current_mb > threshold_mb:
            print(f"Warning: {stream.name} takes more than {threshold_mb:g} MB: fewer --segments, or fewer frames held")

"""pypylon, or a word on how to get it."""

from __future__ import annotations

import warnings
from typing import Any

try:
    with warnings.catch_warnings():
        # Its wrapper warns while it is imported; where warnings are errors, that ends the process.
        warnings.simplefilter("ignore", DeprecationWarning)
        from pypylon import genicam, pylon
except ImportError as missing:
    raise ImportError('Basler cameras need pypylon: pip install "pypylon>=26.9"') from missing

if not hasattr(pylon, "BufferFactory"):
    raise ImportError('this pypylon takes no buffers from elsewhere: pip install --upgrade "pypylon>=26.9"')

GenicamError: Any = genicam.GenericException
"""What pylon raises, whatever is wrong."""

__all__ = ["GenicamError", "genicam", "pylon"]


def said(error: BaseException) -> str:
    """What pylon says is wrong, without the place in its sources."""
    return str(error).split(" : ", 1)[0].strip() or type(error).__name__

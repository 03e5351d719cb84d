"""What this program is called in the broker's statistics."""

from __future__ import annotations

import os.path
import sys


def name() -> str:
    """The script's name, or the interpreter's where there is none."""
    script = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    if script in ("", "-", "-c", "-m"):
        script = os.path.basename(sys.executable or "python")
    # The broker takes no control characters, and undecodable bytes are no text.
    printable = "".join(character for character in script if character.isprintable())
    return printable or "python"

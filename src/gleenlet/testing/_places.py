"""Where something was made: the line outside gleenlet."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["place"]

OURS = {"gleenlet", "gi", "contextlib"}


def place(depth: int = 1) -> str:
    """The file and line that called what called this, passing over gleenlet's frames and PyGObject's; "?": none did."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(depth - 1):
        frame = frame and frame.f_back
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        frame = frame.f_back
    return "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"

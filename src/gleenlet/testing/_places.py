"""Where something was made or called: the line outside gleenlet and the standard library."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["place"]

PASSED_OVER = {"gleenlet", "gi", *sys.stdlib_module_names} - {"__main__"}


def place() -> str:
    """The file and line that called what called this; "?": no Python code did."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in PASSED_OVER:
        frame = frame.f_back
    return "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"

"""Where a task or greenlet stands, as lines: quick enough for a hundred thousand of them."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType

import gi

import gleenlet
from gleenlet.debug._record import Frame

__all__ = ["Stacks"]

OURS = tuple(os.path.dirname(str(package.__file__)) + os.sep for package in (gleenlet, gi))


class Stacks:
    """Reads stacks; for one dump, in which it makes each line once.

    Args:
        neighbours: count asyncio's and gevent's lines as ours, too.
    """

    def __init__(self, neighbours: bool = False) -> None:
        self._ours = OURS
        if neighbours:
            loaded = (sys.modules.get(name) for name in ("asyncio", "gevent"))
            self._ours += tuple(os.path.dirname(str(one.__file__)) + os.sep for one in loaded if one is not None)
        self._lines: dict[tuple[int, int], tuple[CodeType, Frame]] = {}  # the code, so that its id stays its own

    def read(self, frame: FrameType | None, skip_ours: bool = False) -> list[Frame]:
        """The lines from this frame on outwards; those of ours at its inner end are left out if asked."""
        lines = self._lines
        stack: list[Frame] = []
        while frame is not None:
            known = lines.get((id(frame.f_code), frame.f_lasti))
            line = known[1] if known is not None else self.line(frame)
            if not (skip_ours and line.ours and not stack):
                stack.append(line)
            frame = frame.f_back
        return stack

    def line(self, frame: FrameType) -> Frame:
        """Where this one stands."""
        code = frame.f_code
        key = (id(code), frame.f_lasti)
        if key not in self._lines:
            ours = code.co_filename.startswith(self._ours)
            self._lines[key] = (code, Frame(code.co_filename, frame.f_lineno or 0, code.co_qualname, ours))
        return self._lines[key][1]

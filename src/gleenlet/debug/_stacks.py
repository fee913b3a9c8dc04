"""Where a task or greenlet stands, as lines: quick enough for a hundred thousand of them."""

from __future__ import annotations

import os
from types import CodeType, FrameType

import gi

import gleenlet
from gleenlet.debug._record import Frame

__all__ = ["Stacks"]

OURS = tuple(os.path.dirname(str(package.__file__)) + os.sep for package in (gleenlet, gi))


class Stacks:
    """Reads stacks; for one dump, in which it makes each line once."""

    def __init__(self) -> None:
        self._lines: dict[tuple[int, int], tuple[CodeType, Frame]] = {}  # the code, so that its id stays its own

    def read(self, frame: FrameType | None, skip_ours: bool = False) -> list[Frame]:
        """The lines from this frame on outwards; those of ours at its inner end are left out if asked."""
        lines = self._lines
        stack: list[Frame] = []
        while frame is not None:
            code = frame.f_code
            key = (id(code), frame.f_lasti)
            known = lines.get(key)
            if known is None:
                name = getattr(code, "co_qualname", code.co_name)
                ours = code.co_filename.startswith(OURS)
                known = lines[key] = (code, Frame(code.co_filename, frame.f_lineno or 0, name, ours))
            if not (skip_ours and known[1].ours and not stack):
                stack.append(known[1])
            frame = frame.f_back
        return stack

"""Frames that GTK draws, for the recorder: from a frame clock's before-paint to its after-paint."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from gi.repository import GObject

__all__ = ["watch_frames"]


def watch_frames(drawn: Callable[[int], object]) -> ExitStack:
    """Have `drawn(microseconds)` called after each frame of any window, until `close()`; if GTK is there."""
    began, undo = 0, ExitStack()

    def before(*_: object) -> bool:
        nonlocal began
        began = time.monotonic_ns()
        return True

    def after(*_: object) -> bool:
        drawn((time.monotonic_ns() - began) // 1000)
        return True

    gdk: Any = sys.modules.get("gi.repository.Gdk")
    for signal, func in (("before-paint", before), ("after-paint", after)) if gdk is not None else ():
        hook = GObject.add_emission_hook(gdk.FrameClock, signal, func)
        undo.callback(GObject.remove_emission_hook, gdk.FrameClock, signal, hook)
    return undo

"""Frames that GTK draws, for the recorder: from a frame clock's before-paint to its after-paint."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from gi.repository import GObject

__all__ = ["Frames"]


class Frames:
    """Calls `drawn(microseconds)` after each frame of any window, until `stop()`; if GTK is there."""

    def __init__(self, drawn: Callable[[int], object]) -> None:
        self.drawn = drawn
        self.began = 0
        self.hooks: list[tuple[str, int]] = []
        gdk = sys.modules.get("gi.repository.Gdk")
        self.clock: Any = None if gdk is None else gdk.FrameClock
        if self.clock is not None:
            for signal, func in (("before-paint", self.before), ("after-paint", self.after)):
                self.hooks.append((signal, GObject.add_emission_hook(self.clock, signal, func)))

    def before(self, *_: object) -> bool:
        self.began = time.monotonic_ns()
        return True

    def after(self, *_: object) -> bool:
        self.drawn((time.monotonic_ns() - self.began) // 1000)
        return True

    def stop(self) -> None:
        for signal, hook in self.hooks:
            GObject.remove_emission_hook(self.clock, signal, hook)
        self.hooks.clear()

"""gevent's timers on a virtual clock: those that are started while it is there, and in the loop that GLib serves.

libev asks the system for the time, and cannot be told another. So a timer is one of the hub's here, which has gevent
call its function.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Self

from gleenlet import Hub
from gleenlet._core import Handle
from gleenlet.testing._undo import replaced

__all__ = ["GeventTimers"]


class Timer:
    """What `loop.timer()` gives, as far as gevent uses it."""

    def __init__(self, owner: GeventTimers, loop: Any, after: float, repeat: float, ref: bool) -> None:
        self.owner, self.loop = owner, loop
        self.after, self.repeat, self.ref = max(after, 0.0), repeat, ref
        self.pending = False
        self.callback: Callable[..., object] | None = None
        self.args: tuple[Any, ...] = ()
        self.handle: Handle | None = None

    @property
    def active(self) -> bool:
        return self.handle is not None

    def start(self, callback: Callable[..., object], *args: Any, update: bool | None = None) -> None:
        self.stop()
        self.callback, self.args = callback, args
        self.begin(self.after)

    again = start

    def begin(self, seconds: float) -> None:
        if self.ref:
            self.loop.hold()
        self.handle = self.owner.hub.call_later(seconds, self.due)

    def halt(self) -> None:
        self.handle = None
        if self.ref and self.loop.ptr:
            self.loop.let_go()

    def due(self) -> None:
        callback, args = self.callback, self.args
        self.halt()
        if self.repeat:
            self.begin(self.repeat)
        self.loop.run_callback(callback, *args)

    def stop(self) -> None:
        if self.handle is not None:
            self.handle.cancel()
            self.halt()
        self.callback, self.args = None, ()

    close = stop

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class GeventTimers:
    """Gives gevent such timers, where it is used; says what of its own holds the clock."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.cls: Any = getattr(sys.modules.get("gleenlet.gevent"), "GLibLoop", None)

    def given(self) -> contextlib.AbstractContextManager[None]:
        """Give gevent such timers in a block."""
        if self.cls is None:
            return contextlib.nullcontext()
        real = self.cls.timer

        def timer(loop: Any, after: float, repeat: float = 0.0, ref: bool = True, priority: int | None = None) -> Any:
            if loop is not self.loop():
                return real(loop, after, repeat, ref, priority)
            return Timer(self, loop, after, repeat, ref)

        return replaced(self.cls, "timer", timer)

    def loop(self) -> Any:
        """The loop that this thread's hub serves; None: gevent has not waited yet."""
        local = sys.modules.get("gevent._hub_local")
        hub = local.get_hub_if_exists() if local is not None and self.cls is not None else None
        return hub.loop if hub is not None and getattr(hub.loop, "attached", False) else None

    def holds(self) -> Iterator[str]:
        loop = self.loop()
        if loop is None:
            return
        pool = getattr(loop.error_handler, "_threadpool", None)  # the hub's
        if pool is not None and len(pool):
            yield f"{len(pool)} functions in gevent's thread pool"
        watchers = loop.activecnt - loop.held
        if watchers > 0:
            yield f"{watchers} watchers of gevent's"

    def give_up(self) -> None:
        """End gevent's loop, by LoopExit, if something waits for it rather than an application's loop runs."""
        loop = self.loop()
        frame = sys._getframe()
        while loop is not None and frame is not None:
            if frame.f_code.co_name == "run" and frame.f_globals.get("__name__", "").startswith("gi.overrides"):
                return  # an application's loop, which may wait for the world
            frame = frame.f_back  # type: ignore[assignment]
        if loop is not None:
            loop.run_callback(loop.break_)

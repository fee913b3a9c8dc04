"""Report who switches greenlets by hand where that moves C frames that GLib still points to: before it crashes.

greenlet tells of each switch. One is unsafe if a callback of C's is on the stack that is left, and a part of this stack
had to be copied away, callbacks last entered first. gleenlet's own switches never do both: what it starts begins below
all frames of the loop, and it refuses to leave a callback.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import greenlet

from gleenlet import Hub
from gleenlet._core import all_hubs, callback_depth, get_ident, new_hubs, runs_tasks
from gleenlet.debug._record import Frame, said
from gleenlet.debug._stacks import Stacks
from gleenlet.debug._text import quoted

__all__ = ["SwitchWatch", "UnsafeSwitch", "watch_switches"]

ITSELF = 1024  # bytes of the stack that a switch moves even where it is safe: its own frames


@dataclass(frozen=True)
class UnsafeSwitch:
    """One switch that was not safe; `str()` of it is the report."""

    origin: str
    """The greenlet that was left, in whose stack a callback of C's runs."""
    target: str
    """The greenlet that was switched to."""
    origin_stack: tuple[Frame, ...]
    """Where the one that was left stands, innermost line first."""
    target_stack: tuple[Frame, ...]
    """Where the other one goes on."""

    @property
    def where(self) -> Frame | None:
        """The line that switched."""
        return self.origin_stack[0] if self.origin_stack else None

    def __str__(self) -> str:
        return "\n".join(
            [
                "gleenlet: unsafe switch: a greenlet was left inside a callback, whose C frames were moved away",
                f"  from {quoted(self.origin)}",
                *(f"    {quoted(str(frame))}" for frame in self.origin_stack),
                f"  to {quoted(self.target)}",
                *(f"    {quoted(str(frame))}" for frame in self.target_stack),
                "  GLib still points to them, and may crash. Resume it from the loop: schedule_switch(greenlet)",
            ]
        )


def watch_switches(on_switch: Callable[[UnsafeSwitch], object] | None = None) -> SwitchWatch:
    """Report raw `switch()` calls out of callbacks and emissions; `GLEENLET_DEBUG=1` does the same.

    Args:
        on_switch: called with an `UnsafeSwitch`, in the middle of the switch; None: it is printed on `sys.stderr`.

    Returns: what stops it: its `stop()`, or the end of a `with` block. It costs each switch about a microsecond.
    Thread: any; all threads that have a hub, or get one, are watched, and the one that calls it.

    >>> import greenlet
    >>> with watch_switches():
    ...     greenlet.greenlet(int).switch("7")
    7
    """
    return SwitchWatch(on_switch)


class SwitchWatch:
    """What `watch_switches` returns."""

    def __init__(self, on_switch: Callable[[UnsafeSwitch], object] | None) -> None:
        self._on_switch = on_switch
        self._places: set[object] = set()
        # Of one that is suspended: how many callbacks are on its stack. Of one that runs: how many are on those of
        # others, which callback_depth() counts as well.
        self._callbacks: weakref.WeakKeyDictionary[greenlet.greenlet, int] = weakref.WeakKeyDictionary()
        self._before: dict[int, Any] = {}  # the trace functions that were there, by thread
        self._begin()
        new_hubs.append(self._begin)
        for hub in all_hubs():
            if hub.thread != get_ident():
                hub.call_soon_threadsafe(self._begin, hub)

    def stop(self) -> None:
        """Report no more. Thread: any; another thread's greenlets are told of in vain until then."""
        self._on_switch = nothing
        if self._begin in new_hubs:
            new_hubs.remove(self._begin)
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _begin(self, _hub: Hub | None = None) -> None:
        thread = get_ident()
        if thread not in self._before:
            self._before[thread] = greenlet.gettrace()
            current = greenlet.getcurrent()
            self._callbacks[current] = 0 if current.parent is None else callback_depth()
            greenlet.settrace(self._switched)

    def _end(self) -> None:
        before = self._before.pop(get_ident(), None)
        if greenlet.gettrace() == self._switched:
            greenlet.settrace(before)

    # greenlet traces nothing meanwhile, and so coverage sees nothing of it.

    def _switched(  # pragma: no cover
        self, event: str, greenlets: tuple[greenlet.greenlet, greenlet.greenlet]
    ) -> None:
        """Called in the target, right after the switch."""
        before = self._before.get(get_ident())
        if before is not None:
            before(event, greenlets)
        origin, target = greenlets
        depth = callback_depth()
        inside = depth - self._callbacks.get(origin, depth)
        self._callbacks[origin] = inside
        self._callbacks[target] = depth - self._callbacks.get(target, 0)
        if inside <= 0 or getattr(origin, "_stack_saved", 0) <= ITSELF:
            return
        try:
            self._report(origin, target)
        except Exception as error:  # greenlet would go on without us
            sys.excepthook(type(error), error, error.__traceback__)

    def _report(self, origin: greenlet.greenlet, target: greenlet.greenlet) -> None:  # pragma: no cover
        stacks = Stacks()
        found = UnsafeSwitch(
            called(origin),
            called(target),
            tuple(stacks.read(origin.gr_frame)),
            tuple(stacks.read(sys._getframe().f_back))[1:],  # without `_switched`
        )
        if found.where in self._places:
            return
        self._places.add(found.where)
        if self._on_switch is None:
            print(found, file=sys.stderr)
        else:
            self._on_switch(found)


def nothing(_switch: UnsafeSwitch) -> None:
    pass


def called(one: greenlet.greenlet) -> str:  # pragma: no cover  # see _switched
    kind = "a task's greenlet" if runs_tasks(one) else "the main greenlet" if one.parent is None else "greenlet"
    return f"{kind} {said(repr, one)}"

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
from typing import Literal

import greenlet

from gleenlet import Hub
from gleenlet._core import callback_depth, get_ident, new_hubs, runs_tasks
from gleenlet.debug._hubs import UntilStopped, in_all_hubs
from gleenlet.debug._record import Frame, said
from gleenlet.debug._stacks import Stacks
from gleenlet.debug._text import quoted

__all__ = ["SwitchWatch", "UnsafeSwitch", "watch_switches"]

Trace = Callable[[Literal["switch", "throw"], tuple[greenlet.greenlet, greenlet.greenlet]], object]

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

    Returns: what stops it: its `stop()`, or the end of a `with` block. It costs each switch about 0.3 us.
    Thread: any; all threads that have a hub, or get one, are watched, and the one that calls it.

    >>> import greenlet
    >>> with watch_switches():
    ...     greenlet.greenlet(int).switch("7")
    7
    """
    return SwitchWatch(on_switch)


class SwitchWatch(UntilStopped):
    """What `watch_switches` returns."""

    def __init__(self, on_switch: Callable[[UnsafeSwitch], object] | None) -> None:
        self._on_switch = on_switch
        self._places: set[object] = set()
        self._traced: dict[int, tuple[Trace, Trace | None]] = {}  # by thread: ours, and what was there before
        self._begin()
        in_all_hubs(self._begin)

    def stop(self) -> None:
        """Report no more. Thread: any; another thread's greenlets are told of in vain until then."""
        self._on_switch = nothing
        if self._begin in new_hubs:
            new_hubs.remove(self._begin)
        self._end()

    def _begin(self, _hub: Hub | None = None) -> None:
        if get_ident() not in self._traced:
            before = greenlet.gettrace()
            ours = self._tracer(before, 0 if greenlet.getcurrent().parent is None else callback_depth())
            self._traced[get_ident()] = ours, before
            greenlet.settrace(ours)

    def _end(self) -> None:
        ours, before = self._traced.pop(get_ident(), (None, None))
        if ours is not None and greenlet.gettrace() is ours:
            greenlet.settrace(before)

    def _tracer(self, before: Trace | None, others: int) -> Trace:
        """What greenlet calls at each switch of this thread, in the target, right after it.

        Args:
            before: what it called until now, and still is to.
            others: how many callbacks are on the stacks of those that do not run; callback_depth() counts them as well.
        """
        # By the id of a suspended greenlet: the callbacks on its stack, and what takes it out of here at its end.
        # WeakKeyDictionary does the same, for three times the rest.
        suspended: dict[int, tuple[int, weakref.ref[greenlet.greenlet]]] = {}

        # greenlet traces nothing meanwhile, and so coverage sees nothing of it.
        def switched(  # pragma: no cover
            event: Literal["switch", "throw"], greenlets: tuple[greenlet.greenlet, greenlet.greenlet]
        ) -> None:
            nonlocal others
            if before is not None:
                before(event, greenlets)
            origin, target = greenlets
            depth = callback_depth()
            inside = depth - others
            again = suspended.pop(id(target), None)
            others = depth if again is None else depth - again[0]
            if inside <= 0:
                return
            key = id(origin)
            suspended[key] = inside, weakref.ref(origin, lambda _: suspended.pop(key, None))
            if getattr(origin, "_stack_saved", 0) <= ITSELF:
                return
            try:
                self._report(origin, target)
            except Exception as error:  # greenlet would go on without us
                sys.excepthook(type(error), error, error.__traceback__)

        return switched

    def _report(self, origin: greenlet.greenlet, target: greenlet.greenlet) -> None:  # pragma: no cover
        stacks = Stacks()
        found = UnsafeSwitch(
            called(origin),
            called(target),
            tuple(stacks.read(origin.gr_frame)),
            tuple(stacks.read(sys._getframe().f_back))[1:],  # without `switched`
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


def called(one: greenlet.greenlet) -> str:  # pragma: no cover  # see _tracer
    kind = "a task's greenlet" if runs_tasks(one) else "the main greenlet" if one.parent is None else "greenlet"
    return f"{kind} {said(repr, one)}"

"""Limits at top level, where there is no task: the wait that drives the loop is cut short.

To a scope this looks like a task: it is cancelled, and that is taken back. Knows the hub and its waiters.
"""

from __future__ import annotations

from greenlet import getcurrent

from gleenlet._core import Cancelled, Hub, Waiter, current_task, get_hub, main_depth

__all__ = ["TopLevel", "top_level"]


class TopLevel:
    """What a scope knows of a task, of the top level of one hub's thread."""

    _strike: BaseException | None = None  # to be raised inside shields; deleted when it is taken back

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._greenlet = getcurrent()
        self._count = 0
        self._pending: BaseException | None = None
        self._shields = 0

    @property
    def _waiter(self) -> Waiter | None:
        return self.hub._foreign.get(self._greenlet)

    def cancelling(self) -> int:
        return self._count

    def cancel(self) -> None:
        self._count += 1
        self._interrupt(Cancelled())

    def uncancel(self) -> int:
        self._count = max(self._count - 1, 0)
        if not self._count:
            self._pending = None
        return self._count

    def _interrupt(self, exception: BaseException, inside_shields: bool = False, /) -> None:
        waiter = self._waiter
        if waiter is not None and (inside_shields or not self._shields):
            waiter.interrupt(exception)
        elif inside_shields:
            self._strike = exception
        else:
            self._pending = exception

    def before_wait(self) -> None:
        """Called by the hub before it drives the loop."""
        if self._strike is not None:
            strike = self._strike
            del self._strike
            raise strike
        if self._pending is not None and not self._shields:
            pending, self._pending = self._pending, None
            raise pending


def top_level() -> TopLevel | None:
    """The top level of this thread; None in a task or a callback of the loop."""
    hub = get_hub()
    if current_task() is not None or main_depth() or hub._home is not None:
        return None
    top: TopLevel | None = hub._top_level
    if top is None:
        top = hub._top_level = TopLevel(hub)
    top._greenlet = getcurrent()
    return top

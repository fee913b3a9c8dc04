"""Limits at top level, where there is no task: the wait that drives the loop is cut short.

To a scope this looks like a task: it is cancelled, and that is taken back. Knows the hub and its waiters.
"""

from __future__ import annotations

from typing import Any

from greenlet import getcurrent

from gleenlet._core import Cancelled, Hub, current_task, get_hub, main_depth

__all__ = ["TopLevel", "top_level"]


class TopLevel:
    """What a scope knows of a task, of the top level of one hub's thread."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._greenlet = getcurrent()
        self._count = 0
        self.shield: Any = None
        self._due: dict[bool, BaseException] = {}  # what no wait was there for; True: no shield puts it off

    def cancelling(self) -> int:
        return self._count

    def cancel(self) -> None:
        self._count += 1
        self.interrupt(Cancelled())

    def uncancel(self) -> int:
        self._count = max(self._count - 1, 0)
        if not self._count:
            self.take_back(Cancelled)
        return self._count

    def interrupt(self, exception: BaseException, through_shield: bool = False, /) -> None:
        waiter = self.hub.waiter_of(self._greenlet)
        if waiter is not None and (through_shield or self.shield is None):
            waiter.interrupt(exception)
        else:
            self._due[through_shield] = exception

    def take_back(self, _: type[BaseException], through_shield: bool = False, /) -> None:
        self._due.pop(through_shield, None)

    def before_wait(self) -> None:
        """Called by the hub before it drives the loop."""
        for through_shield in (True, False) if self.shield is None else (True,):
            if through_shield in self._due:
                raise self._due.pop(through_shield)


def top_level() -> TopLevel | None:
    """The top level of this thread; None in a task or a callback of the loop."""
    hub = get_hub()
    if current_task() is not None or main_depth() or hub.home is not None:
        return None
    top: TopLevel | None = hub.top_level
    if top is None:
        top = hub.top_level = TopLevel(hub)
    top._greenlet = getcurrent()
    return top

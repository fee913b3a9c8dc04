"""What a forked child keeps of its parent's tasks and waits: the task that forked with its limits, and nothing else.

The others are the parent's, and so is what they wait for; here they are cancelled, without running. Whoever drove the
loop, at top level, is below the task that forked, on the same stack: it goes on driving until that has ended.
"""

from __future__ import annotations

import os
from typing import Any

from gleenlet._core import _native
from gleenlet._core._native import FAILED, Waiter
from gleenlet._core.errors import GleenletError
from gleenlet._core.task import Parent, Task
from gleenlet._core.wakeup import restart_in_child

__all__ = ["Limit"]


class Limit:
    """Whose bound method is to be called at a deadline: that of a task that goes on in the child counts there, too."""

    __slots__ = ()

    def forked(self, task: Task[Any] | None) -> None:
        """Seam: called in the child, whose hub has forgotten the call; `task` is the one that forked."""
        raise NotImplementedError


def forget() -> None:
    """Called by Python in the child, in the thread that forked: there is no other."""
    for hub in _native.hubs():
        drivers = [waiter for waiter in hub.foreign.values() if waiter.greenlet is None]
        hub.farewells.clear()
        forgotten, handles = hub.forget_in_child()
        told = {id(callback) for task in forgotten for callback in task.callbacks or ()}
        joined = {waiter for waiter in drivers if id(waiter) in told}
        for task in forgotten:
            for callback in task.callbacks or ():
                if isinstance(callback, Parent):
                    callback.child_done(task)
        task = next(iter(hub.tasks()), None)
        for handle in handles:
            limit = getattr(handle.func, "__self__", None)
            if isinstance(limit, Limit):
                limit.forked(task)
        if task is not None:
            keep(task, drivers, joined)
        else:
            leave(drivers, joined)
    restart_in_child()


def keep(task: Task[Any], drivers: list[Waiter], joined: set[Waiter]) -> None:
    """Have those who drive the loop for `task` leave their waits when it has ended."""
    asked = bool(task.callbacks)

    def ended(task: Task[Any]) -> None:
        if task.state == FAILED and not asked:  # but for this callback it would have been reported
            task.hub.report_failure(task.value, task)
        leave(drivers, joined)

    task.add_done_callback(ended)


def leave(drivers: list[Waiter], joined: set[Waiter]) -> None:
    """End the waits at top level: who joins a task of the parent's finds it cancelled, all else is an error."""
    for waiter in drivers:
        if waiter in joined:
            waiter.wake()
        elif not waiter.done:
            waiter.throw(
                GleenletError(
                    "this process was forked off while the loop ran for a wait at top level: what that waits for is "
                    "the parent's; end the child in the task that forked, with os._exit()"
                )
            )


os.register_at_fork(after_in_child=forget)

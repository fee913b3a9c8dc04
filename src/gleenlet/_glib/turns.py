"""One turn of the main loop, made by whoever runs it, while a task waits for it. And what a turn would find."""

from __future__ import annotations

from typing import Any

from gi.repository import GLib

from gleenlet._core import Waiter, current_task

__all__ = ["iterate", "pending"]


class Turn(GLib.Source):
    """Wakes `waiter` up after the next poll of its context, and after the dispatches that follow that poll."""

    def __init__(self, waiter: Waiter, may_block: bool) -> None:
        super().__init__()
        self.waiter = waiter
        self.timeout = -1 if may_block else 0
        self.polled = False
        # GLib asks the most urgent sources first, and no other if those are ready: so this one is asked each time.
        self.set_priority(-0x7FFFFFFF)

    def prepare(self) -> tuple[bool, int]:
        return self.polled, self.timeout

    def check(self) -> bool:
        self.polled = True
        return False  # first the others; then prepare() says that it is ready

    def dispatch(self, *_: Any) -> bool:
        self.waiter.wake()
        return False


def iterate(context: GLib.MainContext, may_block: bool) -> bool:
    """As `context.iteration(may_block)` for the context of the task's hub, in the loop that runs."""
    found = may_block or pending(context)
    waiter = Waiter()
    turn = Turn(waiter, may_block)
    turn.attach(context)
    try:
        waiter.wait()
    finally:
        turn.destroy()
    return found


ask_context = GLib.MainContext.pending  # GLib's own, whoever replaces it


def pending(context: GLib.MainContext) -> bool:
    """As `context.pending()`, asked in a task: tasks that are ready do not count, or two that ask would never end."""
    task = current_task()
    assert task is not None
    hub = task.hub
    told, hub.complained = hub.complained, True  # no loop is about to run in this task
    try:
        found = bool(ask_context(context))
        if found:
            # The loop that runs goes on with a list that this has filled for a dispatch which does not come; asked
            # to prepare, GLib empties it and drops its references (glib/gmain.c, g_main_context_prepare).
            context.prepare()
    finally:
        hub.complained = told
    return found

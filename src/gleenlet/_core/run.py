"""Run a function as a task at top level, and what Ctrl-C does meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from gleenlet._core import _native
from gleenlet._core.errors import Cancelled, GleenletError
from gleenlet._core.hub import Hub, get_hub
from gleenlet._core.task import Task, current_task

__all__ = ["run"]

T = TypeVar("T")


def run(main: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Run `main(*args, **kwargs)` as a task and drive the thread's default context until it returns.

    Ctrl-C raises `KeyboardInterrupt` in `main` at its wait, once; a second one raises it in whatever runs.
    Tasks that still run when `main` has returned stay suspended until a loop runs again.

    Returns: its result. Raises: its exception; GleenletError: a loop runs here already, use `spawn`.
    Thread: any.

    >>> run(divmod, 7, 2)
    (3, 1)
    """
    if current_task() is not None or _native.main_depth():
        raise GleenletError("run() cannot be called inside a running loop: use spawn() there")
    hub = get_hub()
    task: Task[T] = Task(main, args, kwargs, 0, None, True)
    interrupts = _Interrupts(hub, task)
    try:
        return task.result()
    except BaseException:
        if not task.done():
            task.interrupt(Cancelled("run() was left"))
        raise
    finally:
        interrupts.restore()


class _Interrupts:
    """Ctrl-C for `run`: to the main task first; Python's own handler is put back afterwards."""

    def __init__(self, hub: Hub, task: Task[Any]) -> None:
        self.hub = hub
        self.task = task
        self.installed = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        self.seen = False
        if self.installed:
            signal.signal(signal.SIGINT, self.handle)

    def handle(self, _signum: int, _frame: FrameType | None) -> None:
        if self.seen or self.task is current_task() or self.task.done():
            raise KeyboardInterrupt
        self.seen = True
        self.task.interrupt(KeyboardInterrupt())

    def restore(self) -> None:
        if self.installed and signal.getsignal(signal.SIGINT) == self.handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)

"""Say in words what a wait is for."""

from __future__ import annotations

from typing import Any

from gleenlet._core._native import Job, Waiter

__all__ = ["what_it_waits_for"]


def what_it_waits_for(waiter: Waiter) -> str:
    """A few words: "Queue.get", "signal clicked of <Button>", "descriptor 7 readable", "task 'load'"."""
    on, verb = waiter.on, waiter.verb or "something"
    if isinstance(on, Job):
        return f"task {on.name!r}"  # type: ignore[attr-defined]  # every Job is a Task
    if verb in ("readable", "writable"):
        return f"descriptor {on if isinstance(on, int) else number_of(on)} {verb}"
    if on is None or "." in verb or verb in ("TaskGroup", "tasks"):
        return verb
    if callable(on):
        return f"{verb} {getattr(on, '__name__', type(on).__name__)}"
    return f"{verb} {on}" if isinstance(on, int) else f"{verb} of <{type(on).__name__}>"


def number_of(file: Any) -> object:
    try:
        return file.fileno()
    except Exception:  # closed meanwhile, or whatever the object does
        return "?"

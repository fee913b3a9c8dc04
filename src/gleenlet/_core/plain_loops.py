"""Notice when an event loop that gives way to nobody begins to run in a task: asyncio's plain one, uvloop, trio's.

While it waits, GLib's loop and all tasks stand still, and no code of ours runs that could tell. But each of them begins
by setting the hooks for asynchronous generators, by name, and ends by setting back those of before, by position.

There is a warning, but for trio's: whoever writes `trio.run` knows that it is another loop, and no library calls it
unasked. It wants the descriptor for signals for itself, and warns if it finds one set: so it finds none.
"""

from __future__ import annotations

import sys
import warnings
import weakref
from types import FrameType
from typing import Any

from gleenlet._core import _native
from gleenlet._core.blame import describe, package_of, user_frame
from gleenlet._core.wakeup import lend, take_back

__all__: list[str] = []

LOOPS = ("asyncio", "uvloop", "curio", "anyio", "aiohttp", "uvicorn", "hypercorn")

_told: object = None  # the task and the line of the last warning
_set_hooks = sys.set_asyncgen_hooks


def set_asyncgen_hooks(*args: Any, **kwargs: Any) -> None:
    _set_hooks(*args, **kwargs)
    task = _native.current_task()
    if task is None or task.guard is not None:  # gleenlet.asyncio's loops guard their task
        return
    caller = sys._getframe(1)
    if package_of(caller) == "trio":
        if args:
            take_back(task)
        elif not is_guest(caller):
            lend(task)
        return
    if kwargs.get("firstiter") is None:
        return
    if "gi" in (package_of(caller), caller.f_back and package_of(caller.f_back)):
        return  # PyGObject's runs GLib's loop
    frame, called = user_frame(LOOPS)
    global _told
    line = weakref.ref(task), frame.f_code, frame.f_lineno
    if line == _told:
        return  # asyncio.run() runs its loop several times
    _told = line
    warnings.warn_explicit(
        f"{called}() runs an event loop in a task: {describe(frame)}. While it waits, GLib's loop and all other tasks "
        "stand still. For asyncio use gleenlet.asyncio.run(), or gleenlet.asyncio.install() if it is a library that "
        "starts the loop; any other loop in a thread: to_thread(func)",
        RuntimeWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def is_guest(frame: FrameType | None) -> bool:
    """Does trio begin as a guest of this loop, which it leaves alone?"""
    while frame is not None and package_of(frame) == "trio":
        if frame.f_code.co_name == "start_guest_run":
            return True
        frame = frame.f_back
    return False


set_asyncgen_hooks.__doc__ = _set_hooks.__doc__
sys.set_asyncgen_hooks = set_asyncgen_hooks

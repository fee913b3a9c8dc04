"""Name the user's line that an error or a warning is about."""

from __future__ import annotations

import os
import sys
from collections.abc import Container
from types import FrameType

__all__ = ["describe", "explain", "explain_collection", "user_frame", "where"]

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def user_frame(besides: Container[str] = ("gi",)) -> tuple[FrameType, str]:
    """The innermost frame below the caller that is neither ours nor of a package in `besides`, and what it called."""
    frame = sys._getframe(2)
    called = "the call"
    while frame.f_back and (frame.f_code.co_filename.startswith(PACKAGE) or package_of(frame) in besides):
        called = frame.f_code.co_name
        frame = frame.f_back
    return frame, called


def package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def describe(frame: FrameType) -> str:
    return f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"


def where() -> tuple[str, str]:
    """Name the gleenlet function that the user called, and the callback with the user's line that is to blame."""
    user, called = user_frame()
    site = frame = user
    while frame.f_back:
        # A frame of PyGObject's overrides under us is the loop's: what it called is the callback.
        if package_of(frame.f_back) == "gi":
            site = frame
            break
        frame = frame.f_back
    place = describe(site)
    if site is not user:
        place += f", at {user.f_code.co_filename}:{user.f_lineno}"
    return "blocking" if called.startswith("_") else f"{called}()", place


def explain(in_task: bool) -> str:
    called, place = where()
    if in_task:
        return (
            f"{called} in a callback that C code makes inside a task: {place}. Switching away here would move C "
            "frames that are still in use, GObject's running emission for one. Start a task for what has to wait: "
            "connect green(handler) instead of handler, or call spawn(func)."
        )
    return (
        f"{called} in a callback of the main loop: {place}. Only tasks may wait. "
        "Start one: connect green(handler) instead of handler, or call spawn(func)."
    )


def explain_collection() -> str:
    called, place = where()
    return (
        f"{called} in a finalizer that the garbage collector runs: {place}. The collector keeps the heads of its lists "
        "on the C stack, and switching away would move them. Start a task for what has to wait: spawn(func)."
    )

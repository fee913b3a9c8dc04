"""Which main context a thread's tasks run on: GLib's default one is the application's, and runs in one thread."""

from __future__ import annotations

import _thread
import os
import posix

from gi.repository import GLib

__all__ = ["check_descriptors", "drop_context", "own_context", "runs_application"]


begun_as = os.getpid()
"""The process that gleenlet was imported in; any other one is a forked child."""


def own_context() -> GLib.MainContext | None:
    """Give this thread a context of its own, its thread-default one, where the application's is not its to run.

    That is where the thread has pushed none, is not the process's first one, and does not run the default context.
    Who waits here would dispatch the application's sources in this thread otherwise, GTK's for one, whenever no other
    thread happens to do so.
    """
    default = GLib.MainContext.default()
    first = os.getpid() == _thread.get_native_id()  # not threading's: gevent replaces that
    if GLib.MainContext.get_thread_default() is not None or default.is_owner():
        return None
    if first and not (os.getpid() != begun_as and lost(default)):
        return None
    check_descriptors(1)
    context = GLib.MainContext.new()
    context.push_thread_default()
    return context


def lost(default: GLib.MainContext) -> bool:
    """Has the child been forked in another thread than the one that ran it? Nobody can run it here, then."""
    if not default.acquire():
        return True
    default.release()
    return False


def check_descriptors(number: int) -> None:
    """OSError (EMFILE) where not so many are free: for what ends the process, or goes on without, if it finds none."""
    taken: list[int] = []
    try:
        while len(taken) < number:
            taken.append(posix.open(os.devnull, posix.O_RDONLY | posix.O_CLOEXEC))
    finally:
        for fd in taken:
            posix.close(fd)  # gevent's os.close asks for its hub, and that is what this may be asked for


def drop_context(context: GLib.MainContext) -> None:
    """Undo `own_context`, in the same thread, unless somebody has pushed another one on top.

    GLib would do so when the thread ends. But Python's part of a thread that C code made ends with each callback.
    """
    if GLib.MainContext.get_thread_default() == context:
        context.pop_thread_default()


def runs_application() -> bool:
    """Is this thread in `Gio.Application.run`, outside any iteration? It owns the context for as long as it runs."""
    return GLib.MainContext.get_thread_default() is None and bool(GLib.MainContext.default().is_owner())

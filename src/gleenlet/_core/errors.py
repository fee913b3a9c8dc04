"""The errors of gleenlet. Knows nothing of loops, greenlets in flight or tasks."""

from __future__ import annotations

from greenlet import GreenletExit

__all__ = ["Cancelled", "GleenletError", "UnsafeSwitchError"]


class GleenletError(RuntimeError):
    """An error of use: what happened, why it cannot go on, what to write instead.

    >>> issubclass(UnsafeSwitchError, GleenletError)
    True
    """


class UnsafeSwitchError(GleenletError):
    """Blocking here would switch away while C code is on the stack, or from inside the event loop.

    Raised instead of switching: GObject keeps running emissions in a list whose nodes lie on the C
    stack (GLib, gobject/gsignal.c, `emission_push`), and greenlet moves that stack. Start a task for
    what has to wait: `spawn(func)`, or `green(func)` as the signal's handler.

    >>> issubclass(UnsafeSwitchError, RuntimeError)
    True
    """


class Cancelled(GreenletExit):
    """Raised in a task at its wait after `Task.cancel()`; like asyncio's, no `except Exception` sees it.

    >>> issubclass(Cancelled, Exception)
    False
    """

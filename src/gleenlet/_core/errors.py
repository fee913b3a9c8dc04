"""The errors of gleenlet. Knows nothing of loops, greenlets in flight or tasks."""

from __future__ import annotations

from greenlet import GreenletExit

__all__ = ["Cancelled", "GleenletError", "QueueEmpty", "QueueFull", "QueueShutDown", "UnsafeSwitchError"]


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


class QueueEmpty(Exception):
    """`get_nowait()` found nothing that is not promised to a waiting getter."""


class QueueFull(Exception):
    """`put_nowait()` found no place that is not promised to a waiting putter."""


class QueueShutDown(Exception):
    """The queue was shut down: nothing can be put, or nothing is left to get."""

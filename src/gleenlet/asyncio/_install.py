"""For libraries that start an asyncio loop themselves: what they make in a task is an EventLoop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from gleenlet._core import current_task
from gleenlet.asyncio._loop import EventLoop

__all__ = ["install", "uninstall"]

_plain: Callable[..., None] = asyncio.SelectorEventLoop.__init__


@functools.wraps(_plain)
def _init(self: Any, selector: Any = None) -> None:
    if type(self) is asyncio.SelectorEventLoop and current_task() is not None:
        self.__class__ = EventLoop
        EventLoop.__init__(self)  # type: ignore[arg-type]  # of that class now; a selector would block
    else:
        _plain(self, selector)


def install() -> None:
    """Have every asyncio loop that is made in a task be an `EventLoop`, whoever makes it, until `uninstall()`.

    So `asyncio.run(main())`, `aiohttp.web.run_app(app)` and `uvicorn.run(app, loop="asyncio")` in a task suspend that
    task instead of stopping GLib's loop. Loops made outside tasks, and uvloop's, stay what they are.

    Thread: any; it holds for all.

    >>> import asyncio
    >>> from gleenlet import spawn
    >>> install()
    >>> spawn(asyncio.run, asyncio.sleep(0.001, "done")).result()
    'done'
    >>> uninstall()
    """
    asyncio.SelectorEventLoop.__init__ = _init  # type: ignore[method-assign]


def uninstall() -> None:
    """Undo `install`; loops that were made meanwhile stay what they are.

    >>> uninstall()
    """
    asyncio.SelectorEventLoop.__init__ = _plain  # type: ignore[method-assign]

"""What to write instead of what has stopped a loop, told by its stack and the line that it stands in."""

from __future__ import annotations

import linecache
from collections.abc import Sequence

from gleenlet.debug._record import Frame

__all__ = ["hint"]

# Part of a file's path, and what it means to stand there: the first that fits, from the innermost frame on.
FILES = (
    ("/asyncio/base_events.py", "This is a plain asyncio loop: run it with gleenlet.asyncio.run(), in a task"),
    ("/concurrent/futures/", "To wait for a future: wait_future(future)"),
    ("/subprocess.py", "To wait for a child: Gio.Subprocess and call(child.wait_async), or wait_child(pid)"),
    ("/queue.py", "To wait for another thread: gleenlet's Queue, and Hub.call_soon_threadsafe() in the other one"),
    (
        "/threading.py",
        "To wait for another thread: to_thread(func), or an Event and Hub.call_soon_threadsafe()",
    ),
    ("/socket.py", "To wait for a socket: wait_readable(socket) first, or to_thread(func)"),
    ("/ssl.py", "To wait for a socket: Gio.SocketClient and call(), or to_thread(func)"),
)
# Part of the line, and the same.
WORDS = (
    ("time.sleep(", "To wait in a task: gleenlet.sleep(seconds)"),
    ("call_sync(", "To call a D-Bus method in a task: call(proxy.call, ...), or gleenlet.dbus"),
    ("_sync(", "To wait for it in a task: call() with the method's *_async twin"),
    (".result(", "To wait for a future: wait_future(future)"),
    (".acquire(", "To wait for another thread: to_thread(func), or an Event and Hub.call_soon_threadsafe()"),
    (".recv(", "To wait for a socket: wait_readable(socket) first, or to_thread(func)"),
    (".accept(", "To wait for a socket: wait_readable(socket) first, or to_thread(func)"),
)
ELSE = "To do something long beside the loop: to_thread(func)"


def hint(stack: Sequence[Frame]) -> str:
    """One line for the report.

    >>> hint([Frame("/usr/lib/python3/threading.py", 1, "wait", False)])
    'To wait for another thread: to_thread(func), or an Event and Hub.call_soon_threadsafe()'
    """
    for frame in stack:
        if frame.ours:
            continue
        for part, advice in FILES:
            if part in frame.file:
                return better(part, stack) or advice
        line = linecache.getline(frame.file, frame.line)
        for part, advice in WORDS:
            if part in line:
                return advice
        if "/lib/python" not in frame.file:
            break  # the user's own line
    return ELSE


def better(part: str, stack: Sequence[Frame]) -> str | None:
    """threading's locks are under many things: what is the caller?"""
    if part != "/threading.py":
        return None
    for other, advice in FILES:
        if other != part and any(other in frame.file for frame in stack):
            return advice
    return None

"""Answer who asks from outside, on a Unix socket of the user's own, in a thread: also while the loop is stuck.

A request is a line of JSON, the answer is one too, and then the connection is closed. Nobody can hold the process up: a
request is short, each connection has a few seconds, and there are few at a time.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import os
import socket
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, Self

from gleenlet import GleenletError
from gleenlet.debug._folder import own_socket
from gleenlet.debug._inspector import open_when_ready
from gleenlet.debug._neighbours import canceller
from gleenlet.debug._remote_trace import begin_trace, end_trace
from gleenlet.debug._switches import watch_switches
from gleenlet.debug._tasks import tasks
from gleenlet.debug._text import format_tasks
from gleenlet.debug._watch import watch

__all__ = ["Listener", "listen", "peer", "start_as_asked"]

SECONDS = 5.0  # for a request and its answer
LONGEST = 65536  # bytes of a request
AT_ONCE = 8  # connections
PAUSE = 0.1  # seconds, until a descriptor may be free

_listener: Listener | None = None


def listen() -> Listener:
    """Let `python -m gleenlet ps`, and its kin, look into this process; `GLEENLET_DEBUG=1` does the same.

    Returns: what stops it: its `close()`, or the end of a `with` block. There is one for the process.
    Raises: GleenletError: the folder of the socket is not the user's own. OSError: there can be no socket.
    Thread: any.

    >>> with listen() as listener:
    ...     listener.path.endswith(".sock")
    True
    """
    global _listener
    if _listener is None or _listener.closed:
        _listener = Listener()
    return _listener


def start_as_asked() -> None:
    """What `GLEENLET_DEBUG=1` stands for: `watch()`, `watch_switches()`, `listen()`; where that cannot be, a warning.

    `GLEENLET_DEBUG=window` stands for `inspector()` as well.
    """
    if os.environ.get("GLEENLET_DEBUG") == "window":
        open_when_ready()
    watch()
    watch_switches()
    try:
        listen()
    except (OSError, GleenletError) as error:
        warnings.warn(f"GLEENLET_DEBUG is set, but nobody can look in: {error}", RuntimeWarning, stacklevel=3)


class Listener:
    """The socket on which a process answers who looks in from outside; made by `listen`."""

    def __init__(self) -> None:
        self.path = own_socket()
        self.closed = False
        self._pid = os.getpid()
        self._free = threading.Semaphore(AT_ONCE)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)  # of a process that had our number
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(self.path)
            os.chmod(self.path, 0o600)
            self._socket.listen()
        except BaseException:
            self._socket.close()
            raise
        atexit.register(self.close)
        threading.Thread(target=self._accept, name="gleenlet.debug", daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more. Thread: any."""
        if self.closed:
            return
        self.closed = True
        atexit.unregister(self.close)
        if os.getpid() == self._pid:  # a forked child has no part in it
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # close() alone would leave accept() waiting
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self.closed:
            try:
                connection, _ = self._socket.accept()
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ECONNABORTED):
                    return  # closed
                time.sleep(PAUSE)  # until a descriptor is free: who asks waits
                continue
            if self._free.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(connection,), name="gleenlet.debug", daemon=True).start()
            else:
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(SECONDS)
                if peer(connection)[1] in (os.geteuid(), 0):
                    with connection.makefile("rb") as file:
                        line = file.readline(LONGEST)
                    connection.sendall(json.dumps(answer(line)).encode() + b"\n")
        except OSError:  # it went away, or took too long
            pass
        finally:
            self._free.release()


def peer(connection: socket.socket) -> tuple[int, int]:
    """The process and the user at the other end."""
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def answer(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
        command = COMMANDS[request["command"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"error": "the request is none: another gleenlet asks, or something that is none"}
    try:
        return {"program": program(), **command(request)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def tell_tree(request: dict[str, Any]) -> dict[str, Any]:
    limit = request.get("limit")
    return {"text": format_tasks(stacks=bool(request.get("stacks")), limit=None if limit is None else int(limit))}


def cancel(request: dict[str, Any]) -> dict[str, Any]:
    cancelled = []
    for record in tasks():
        task = record.task() if record.task is not None else None
        if task is not None and request.get("task") in (record.name, str(record.id)):
            canceller(task)()
            cancelled.append(record.name)
    return {"cancelled": cancelled}


COMMANDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "hello": lambda _request: {},
    "tasks": lambda _request: {"tasks": [record.as_json() for record in tasks()]},
    "tree": tell_tree,
    "cancel": cancel,
    "begin trace": begin_trace,
    "end trace": end_trace,
}


def program() -> dict[str, Any]:
    return {"pid": os.getpid(), "arguments": sys.orig_argv, "python": sys.version.partition(" ")[0]}


def _forget_in_child() -> None:
    if _listener is not None:
        _listener.close()


os.register_at_fork(after_in_child=_forget_in_child)

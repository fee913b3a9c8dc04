"""Calls that would stop the loop raise instead, with the line."""

from __future__ import annotations

import builtins
import contextlib
import io
import ipaddress
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gi.repository import Gio

from gleenlet import GleenletError
from gleenlet._core import get_ident
from gleenlet.testing._places import place
from gleenlet.testing._undo import replaced

__all__ = ["BlockingCall", "forbid_blocking"]


class BlockingCall(GleenletError, RuntimeError):
    """A call that would stop the loop was made where `forbid_blocking` forbids it."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what} at {place()} stops the loop, and every task with it: {instead}")


SOCKET = ("accept", "connect", "recv", "recv_into", "recvfrom", "send", "sendall", "sendto")
TLS = ("read", "write", "do_handshake")
WAIT_FIRST = "set the socket non-blocking and call wait_readable() or wait_writable(), or use gleenlet.gevent or Gio"
FILE_INSTEAD = "use to_thread(), or call() with the functions of Gio.File that end in _async"
AT_HAND = {None, "", "localhost", b"localhost"}  # host names that ask no server


class Counted(io.FileIO):
    """A file of which only so many bytes may be read and written."""

    left: int
    limit: int

    def count(self, size: int | None) -> None:
        self.left -= size or 0
        if self.left < 0:
            raise BlockingCall(f"reading or writing more than {self.limit} bytes of {self.name!r}", FILE_INSTEAD)

    def readinto(self, buffer: Any, /) -> int:
        size = super().readinto(buffer)
        self.count(size)
        return size

    def readall(self) -> bytes:
        self.count(max(os.fstat(self.fileno()).st_size - self.tell(), 0))
        return super().readall()

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self.readall()
        data = super().read(size)
        self.count(len(data or b""))
        return data

    def write(self, data: Any, /) -> int:
        self.count(memoryview(data).nbytes)
        return super().write(data)


class Files:
    """`open`, with a limit for regular files; in one thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.thread = get_ident()
        self.real = io.open

    def __call__(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        plain: Any = self.real(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if get_ident() != self.thread or not is_regular(plain.fileno()):
            return plain
        # The same layers once more, on a file that counts. It opens nothing: it has the descriptor of the first one.
        counted = Counted(os.dup(plain.fileno()), mode.replace("b", "").replace("t", "").replace("x", "w"))
        counted.name = plain.name
        counted.left = counted.limit = self.limit
        line_buffering = getattr(plain, "line_buffering", False)
        plain.close()
        if buffering == 0:
            return counted
        size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        buffered: Any
        if "+" in mode:
            buffered = io.BufferedRandom(counted, size)
        elif "r" in mode:
            buffered = io.BufferedReader(counted, size)
        else:
            buffered = io.BufferedWriter(counted, size)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering)
        text.mode = mode  # type: ignore[misc]
        return text


def is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def size_of(file: Gio.File) -> float:
    """Bytes; infinitely many where that is not known without asking."""
    path = file.get_path()
    try:
        return os.path.getsize(path) if path is not None else float("inf")
    except OSError:
        return 0


@contextlib.contextmanager
def forbid_blocking(*, file_limit: int = 1_000_000) -> Iterator[None]:
    """Have calls that would freeze the loop raise in this thread, with the line.

    `time.sleep`; sockets that block, TLS too, and asking for addresses; `subprocess.Popen.wait` and `communicate`;
    synchronous D-Bus calls; files over a limit, by `open`, `os` and `Gio.File`.

    Args:
        file_limit: bytes that may be read and written of each file that is opened in the block.

    Raises: BlockingCall: at such a call.

    >>> import time
    >>> with forbid_blocking():
    ...     try:
    ...         time.sleep(1)
    ...     except BlockingCall as error:
    ...         print(error)
    time.sleep() at ... stops the loop, and every task with it: use gleenlet.sleep()
    """
    thread = get_ident()
    with contextlib.ExitStack() as undo:

        def forbid(owner: Any, names: Iterable[str], instead: str, blocks: Callable[..., bool], what: str = "") -> None:
            what = what or owner.__name__ + ".{}()"
            for name in names:
                refuse = forbidding(getattr(owner, name), what.format(name), instead, blocks)
                undo.enter_context(replaced(owner, name, refuse))

        def forbidding(func: Any, what: str, instead: str, blocks: Callable[..., bool]) -> Any:
            def refuse(*args: Any, **kwargs: Any) -> Any:
                if get_ident() == thread and blocks(*args, **kwargs):
                    raise BlockingCall(what, instead)
                return func(*args, **kwargs)

            return refuse

        forbid(time, ["sleep"], "use gleenlet.sleep()", lambda seconds: seconds > 0)
        forbid(socket.socket, SOCKET, WAIT_FIRST, lambda sock, *_, **__: sock.gettimeout() != 0)
        if ssl := sys.modules.get("ssl"):
            forbid(ssl.SSLSocket, TLS, WAIT_FIRST, lambda sock, *_, **__: sock.gettimeout() != 0)
        forbid(
            socket,
            ["getaddrinfo"],
            "use to_thread(), or call(Gio.Resolver.get_default().lookup_by_name_async, host)",
            lambda host, *_, **__: host not in AT_HAND and not is_address(host),
        )
        forbid(
            subprocess.Popen,
            ["wait", "communicate"],
            "use wait_child(popen), or Gio.Subprocess",
            lambda popen, *args, timeout=None, **__: 0 not in (timeout, *args[-1:]) and popen.poll() is None,
        )
        for cls in (Gio.DBusConnection, Gio.DBusProxy):
            forbid(cls, ["call_sync"], "use call(obj.call, ...)", lambda *_, **__: True)
        files: Any = Files(file_limit)
        for owner in (builtins, io):
            undo.enter_context(replaced(owner, "open", files))
        too_much = f"{{}}() of more than {file_limit} bytes"
        forbid(
            os,
            ["read", "write"],
            FILE_INSTEAD,
            lambda number, what: (what if isinstance(what, int) else len(what)) > file_limit and is_regular(number),
            "os." + too_much,
        )
        for name, size in (("load_contents", lambda file, *_: size_of(file)), ("replace_contents", length_of)):
            forbid(
                Gio.File,
                [name],
                FILE_INSTEAD,
                lambda *args, _size=size: _size(*args) > file_limit,
                "Gio.File." + too_much,
            )
        yield


def length_of(_file: object, contents: bytes, *_: object) -> int:
    return len(contents)


def is_address(host: str | bytes) -> bool:
    """Is it a number, which nobody has to be asked for?"""
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return True

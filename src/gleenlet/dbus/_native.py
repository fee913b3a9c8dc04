"""The conversion in C, and calls that reach Gio without PyGObject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gi.repository import Gio

from gleenlet._core import Waiter
from gleenlet.dbus._gvariant import fail, pack, start, unpack

__all__ = ["fail", "invoke", "pack", "unpack"]


def invoke(
    connection: Gio.DBusConnection,
    name: str | None,
    path: str,
    interface: str,
    method: str,
    signature: str,
    args: tuple[Any, ...],
    reply: str | None,
    flags: int,
    fds: Sequence[int],
) -> tuple[tuple[Any, ...], list[int]]:
    """As _convert.invoke."""
    waiter = Waiter(None, None, f"D-Bus reply to {method}")
    call = start(waiter, connection, name, path, interface, method, signature, args, reply, flags, fds)
    try:
        waiter.wait()
    except BaseException:
        call.cancel()
        raise
    return call.result()

from collections.abc import Sequence
from typing import Any, Never, final

from gi.repository import Gio, GLib

from gleenlet._core import Waiter

@final
class Call:
    def result(self) -> tuple[tuple[Any, ...], list[int]]: ...
    def cancel(self) -> None: ...

def pack(signature: str, value: Any, /) -> GLib.Variant: ...
def unpack(variant: GLib.Variant, /) -> Any: ...
def start(
    waiter: Waiter,
    connection: Gio.DBusConnection,
    name: str | None,
    path: str,
    interface: str,
    member: str,
    signature: str,
    args: tuple[Any, ...],
    reply: str | None,
    flags: int,
    fds: Sequence[int],
    /,
) -> Call: ...
def fail(domain: str, code: int, message: str, /) -> Never: ...

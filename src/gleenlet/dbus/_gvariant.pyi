from collections.abc import Callable, Sequence
from typing import Any, Never, final

from gi.repository import Gio, GLib

from gleenlet._core import Waiter

@final
class Call:
    def result(self) -> tuple[tuple[Any, ...], list[int]]: ...
    def cancel(self) -> None: ...

@final
class Answer:
    @property
    def open(self) -> bool: ...
    def give(self, signature: str, values: tuple[Any, ...], fds: Sequence[int] = (), /) -> None: ...
    def refuse(self, name: str, text: str, /) -> None: ...

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
def register(
    connection: Gio.DBusConnection,
    path: str,
    info: Gio.DBusInterfaceInfo,
    on_call: Callable[[str | None, str, str, tuple[Any, ...], list[int], int, Answer], object],
    /,
) -> int: ...
def fail(domain: str, code: int, message: str, /) -> Never: ...

"""Python values to a D-Bus message's body and back: ("hello", 5), or a hundred strings.

GLib's own is GLib.Variant's constructor and unpack(); dbus-fast makes and reads the bytes of a whole message.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from harness import measure, options

BODIES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "si": ("si", ("hello", 5)),
    "strings": ("as", ([f"string {i}" for i in range(100)],)),
}


def times(operation: Callable[[], object]) -> Callable[[int], float]:
    def sample(n: int) -> float:
        start = perf_counter()
        for _ in range(n):
            operation()
        return perf_counter() - start

    return sample


def on_gleenlet(way: str, signature: str, values: tuple[Any, ...]) -> Callable[[int], float]:
    from gleenlet.dbus._convert import pack, unpack

    variant = pack(f"({signature})", values)
    return times((lambda: pack(f"({signature})", values)) if way == "pack" else (lambda: unpack(variant)))


def on_glib(way: str, signature: str, values: tuple[Any, ...]) -> Callable[[int], float]:
    from gi.repository import GLib

    variant = GLib.Variant(f"({signature})", values)
    return times((lambda: GLib.Variant(f"({signature})", values)) if way == "pack" else variant.unpack)


def on_dbus_fast(way: str, signature: str, values: tuple[Any, ...]) -> Callable[[int], float]:
    import io

    from dbus_fast import Message
    from dbus_fast._private.unmarshaller import Unmarshaller

    def message() -> Message:
        return Message(
            "org.example.Echo", "/", "org.example.Echo", "Echo", signature=signature, body=list(values), serial=1
        )

    data = bytes(message()._marshall(False))
    if way == "pack":
        return times(lambda: message()._marshall(False))
    return times(lambda: Unmarshaller(io.BytesIO(data)).unmarshall().body)


if __name__ == "__main__":
    way, body = (options().variant or "pack_si").split("_")
    peers = {"gleenlet.dbus": on_gleenlet, "GLib": on_glib, "dbus-fast": on_dbus_fast}
    name = options().peer
    measure({name: peers[name](way, *BODIES[body])} if name in peers else {})

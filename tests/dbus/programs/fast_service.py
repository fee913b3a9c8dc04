"""A service of dbus-fast's: has the name org.example.Peer until its bus ends."""

# dbus-fast's annotations are D-Bus types, which are no types of Python's.
# mypy: disable-error-code="name-defined,no-redef,no-untyped-call,valid-type"
# ruff: noqa: F722, F821

import asyncio
import os

from dbus_fast import BusType, DBusError, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal


class Peer(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.example.Peer")
        self.level = 0.5

    @dbus_method()
    async def Echo(self, text: "s", number: "x") -> "sx":
        await asyncio.sleep(0)
        self.Happened(text)
        return [text, number]

    @dbus_method()
    def SumUp(self, numbers: "a{sai}") -> "a{sv}":
        return {name: Variant("i", sum(values)) for name, values in numbers.items()}

    @dbus_method()
    def Fail(self) -> None:
        raise DBusError("org.freedesktop.DBus.Error.AccessDenied", "not you")

    @dbus_method()
    def Read(self, file: "h") -> "ay":
        with os.fdopen(file, "rb") as stream:
            return stream.read()

    @dbus_signal()
    def Happened(self, text: str) -> "si":
        return [text, 1]

    @dbus_property()
    def Volume(self) -> "d":
        return self.level

    @Volume.setter
    def Volume(self, value: "d") -> None:
        self.level = value
        self.emit_properties_changed({"Volume": value})


async def main() -> None:
    bus = await MessageBus(bus_type=BusType.SESSION, negotiate_unix_fd=True).connect()
    bus.export("/peer", Peer())
    await bus.request_name("org.example.Peer")
    await bus.wait_for_disconnect()


asyncio.run(main())

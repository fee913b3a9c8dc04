"""A client of dbus-fast's: uses the service at org.example.Peer and prints what it says."""

import asyncio
import tempfile
from typing import Any

from dbus_fast import BusType, DBusError
from dbus_fast.aio import MessageBus


async def main() -> None:
    bus = await MessageBus(bus_type=BusType.SESSION, negotiate_unix_fd=True).connect()
    node = await bus.introspect("org.example.Peer", "/peer")
    peer: Any = bus.get_proxy_object("org.example.Peer", "/peer", node).get_interface("org.example.Peer")
    heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    peer.on_happened(lambda *args: heard.put_nowait(args))
    print(await peer.call_echo("hello", 2**40))
    print(await heard.get())
    print({name: variant.value for name, variant in (await peer.call_sum_up({"a": [1, 2]})).items()})
    await peer.set_volume(0.125)
    print(await peer.get_volume())
    try:
        await peer.call_fail()
    except DBusError as error:
        print(error.type, error.text)
    with tempfile.TemporaryFile() as file:
        file.write(b"bytes")
        file.seek(0)
        print(await peer.call_read(file.fileno()))
    print(await asyncio.gather(*[peer.call_echo("x", i) for i in range(3)]))


asyncio.run(main())

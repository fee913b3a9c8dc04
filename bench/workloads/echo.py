"""An echo server for 50 connections that send 100 bytes and wait for them: time per request and latency.

The client is bench/echo_client.c, so that it is not the bottleneck; ECHO_CLIENT names the compiled program,
which bench/run.py sees to. Variant "protocols" takes asyncio's callbacks instead of its streams; others have
but one way.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import subprocess
from typing import Any, cast

from harness import observe, options

CONNECTIONS = 50
BYTES = 100
Figures = dict[str, float]


def keep_buffers() -> None:
    """Have malloc keep blocks of up to 1 MiB.

    asyncio receives into a new 256 KiB each time. By default the C library maps and unmaps it each time, or not:
    what else the process has freed before decides that, a matter of luck that came to a factor of two.
    """
    libc = ctypes.CDLL(None)
    m_trim_threshold, m_mmap_threshold = -1, -3  # malloc.h
    if not (libc.mallopt(m_mmap_threshold, 1 << 20) and libc.mallopt(m_trim_threshold, 4 << 20)):
        raise OSError("mallopt() failed")


def listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
    listener.setblocking(False)
    return listener


def start_client(listener: Any) -> subprocess.Popen[bytes]:
    """The client against that listener. It measures for a while and closes its connections."""
    port = listener.getsockname()[1]
    seconds = 2 * options().seconds
    command = [os.environ["ECHO_CLIENT"], str(port), str(CONNECTIONS), str(BYTES), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def figures(client: subprocess.Popen[bytes]) -> Figures:
    output, _ = client.communicate()
    if client.returncode:
        raise RuntimeError(f"the echo client ended with status {client.returncode}")
    found: Figures = json.loads(output)
    return found


def on_gleenlet(_: int) -> Figures:
    from gleenlet import spawn, wait_readable

    def serve(sock: socket.socket) -> None:
        with sock:
            while True:
                wait_readable(sock)
                data = sock.recv(4096)
                if not data:
                    break
                sock.send(data)

    with listen() as listener:
        client = start_client(listener)
        tasks = []
        for _ in range(CONNECTIONS):
            wait_readable(listener)
            sock, _address = listener.accept()
            sock.setblocking(False)
            tasks.append(spawn(serve, sock))
        for task in tasks:
            task.join()
    return figures(client)


def on_gevent(_: int) -> Figures:
    from gevent import spawn
    from gevent.socket import socket as Socket

    def serve(sock: Any) -> None:
        with sock:
            while True:
                data = sock.recv(4096)
                if not data:
                    break
                sock.send(data)

    listener = Socket(fileno=listen().detach())
    client = start_client(listener)
    tasks = []
    for _ in range(CONNECTIONS):
        sock, _address = listener.accept()
        tasks.append(spawn(serve, sock))
    for task in tasks:
        task.join()
    listener.close()
    return figures(client)


async def on_asyncio_streams(_: int) -> Figures:
    open_ones = CONNECTIONS
    all_closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_ones
        while True:
            data = await reader.read(4096)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.close()
        open_ones -= 1
        if not open_ones:
            all_closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=CONNECTIONS)
    client = start_client(server.sockets[0])
    await all_closed.wait()
    server.close()
    return figures(client)


async def on_asyncio_protocols(_: int) -> Figures:
    open_ones = CONNECTIONS
    all_closed = asyncio.Event()

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.Transport, transport)

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

        def connection_lost(self, exc: Exception | None) -> None:
            nonlocal open_ones
            open_ones -= 1
            if not open_ones:
                all_closed.set()

    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=CONNECTIONS)
    client = start_client(server.sockets[0])
    await all_closed.wait()
    server.close()
    return figures(client)


async def on_trio(_: int) -> Figures:
    import trio

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            while True:
                data = await stream.receive_some(4096)
                if not data:
                    break
                await stream.send_all(data)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=CONNECTIONS)
    client = start_client(listener.socket)
    async with trio.open_nursery() as nursery:
        for _ in range(CONNECTIONS):
            nursery.start_soon(serve, await listener.accept())
    return figures(client)


if __name__ == "__main__":
    keep_buffers()
    protocols = options().variant == "protocols"
    options().variant = None
    observe(
        {
            "gleenlet": on_gleenlet,
            "gevent": on_gevent,
            "asyncio": on_asyncio_protocols if protocols else on_asyncio_streams,
            "trio": on_trio,
        }
    )

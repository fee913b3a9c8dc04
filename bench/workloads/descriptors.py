"""Fifty busy connections beside many idle ones that are waited for as well: the cost of one message.

A message is a wait for its descriptor, a recv and a send. How the cost grows with the idle ones tells poll
from epoll.
"""

from __future__ import annotations

import resource
import socket
from time import perf_counter
from typing import Any

from harness import measure, size

PAIRS = 50
IDLE = size(10)


def busy_pairs() -> list[tuple[socket.socket, socket.socket]]:
    """Connections with a first message on its way to either end's `bounce`."""
    pairs = [socket.socketpair() for _ in range(PAIRS)]
    for left, right in pairs:
        left.setblocking(False)
        right.setblocking(False)
        right.send(b"x")
    return pairs


def idle_sockets() -> list[socket.socket]:
    """Sockets nobody writes to, unbound: 10,000 pairs would need more descriptors than many systems allow."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(IDLE)]
    for sock in sockets:
        sock.setblocking(False)
    return sockets


def on_gleenlet(n: int) -> float:
    from gleenlet import sleep, spawn, wait_readable

    def bounce(sock: socket.socket) -> None:
        for _ in range(n // (2 * PAIRS)):
            wait_readable(sock)
            sock.recv(1)
            sock.send(b"x")

    waiting = 0

    def idle(sock: socket.socket) -> None:
        nonlocal waiting
        waiting += 1
        wait_readable(sock)

    idle_ones = [spawn(idle, sock) for sock in idle_sockets()]
    pairs = busy_pairs()
    while waiting < IDLE:
        sleep(0.001)
    start = perf_counter()
    tasks = [spawn(bounce, sock) for pair in pairs for sock in pair]
    for task in tasks:
        task.join()
    elapsed = perf_counter() - start
    for task in idle_ones:
        task.cancel()
    for task in idle_ones:
        task.join()
    return elapsed


def on_gevent(n: int) -> float:
    from gevent import killall, sleep, spawn
    from gevent.socket import socket as Socket

    def bounce(sock: Any) -> None:
        for _ in range(n // (2 * PAIRS)):
            sock.recv(1)
            sock.send(b"x")

    def own(sock: socket.socket) -> Any:
        return Socket(sock.family, sock.type, fileno=sock.detach())

    waiting = 0

    def idle(sock: Any) -> None:
        nonlocal waiting
        waiting += 1
        sock.recv(1)

    idle_ones = [spawn(idle, own(sock)) for sock in idle_sockets()]
    pairs = [(own(left), own(right)) for left, right in busy_pairs()]
    while waiting < IDLE:
        sleep(0.001)
    start = perf_counter()
    tasks = [spawn(bounce, sock) for pair in pairs for sock in pair]
    for task in tasks:
        task.join()
    elapsed = perf_counter() - start
    killall(idle_ones)
    return elapsed


async def on_asyncio(n: int) -> float:
    from asyncio import create_task, gather, get_running_loop, sleep

    loop = get_running_loop()

    async def bounce(sock: socket.socket) -> None:
        for _ in range(n // (2 * PAIRS)):
            await loop.sock_recv(sock, 1)
            sock.send(b"x")

    waiting = 0

    async def idle(sock: socket.socket) -> None:
        nonlocal waiting
        waiting += 1
        await loop.sock_recv(sock, 1)

    idle_ones = [create_task(idle(sock)) for sock in idle_sockets()]
    pairs = busy_pairs()
    while waiting < IDLE:
        await sleep(0.001)
    start = perf_counter()
    tasks = [create_task(bounce(sock)) for pair in pairs for sock in pair]
    for task in tasks:
        await task
    elapsed = perf_counter() - start
    for one in idle_ones:
        one.cancel()
    await gather(*idle_ones, return_exceptions=True)
    return elapsed


async def on_trio(n: int) -> float:
    from trio import open_nursery, sleep
    from trio.lowlevel import wait_readable

    async def bounce(sock: socket.socket) -> None:
        for _ in range(n // (2 * PAIRS)):
            await wait_readable(sock)
            sock.recv(1)
            sock.send(b"x")

    waiting = 0

    async def idle(sock: socket.socket) -> None:
        nonlocal waiting
        waiting += 1
        await wait_readable(sock)

    pairs = busy_pairs()
    async with open_nursery() as idle_ones:
        for sock in idle_sockets():
            idle_ones.start_soon(idle, sock)
        while waiting < IDLE:
            await sleep(0.001)
        start = perf_counter()
        async with open_nursery() as nursery:
            for pair in pairs:
                for sock in pair:
                    nursery.start_soon(bounce, sock)
        elapsed = perf_counter() - start
        idle_ones.cancel_scope.cancel()
    return elapsed


if __name__ == "__main__":
    measure({"gleenlet": on_gleenlet, "gevent": on_gevent, "asyncio": on_asyncio, "trio": on_trio}, step=2 * PAIRS)

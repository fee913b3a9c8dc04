"""gevent's code on gevent and on gleenlet.gevent: what being a guest of GLib's loop costs.

Variants: switch, spawn, timers, echo_50 and echo_1 (connections), idle_add. gleenlet.gevent runs them while a
GLib loop runs that has a timer at 60 Hz; gevent runs them plain. GLib is imported there, too, for the garbage collector
walks through all that is imported. The client of the echo is bench/echo_client.c, named by ECHO_CLIENT.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from time import perf_counter
from typing import Any

from gi.repository import GLib
from harness import calibrate, options, report

GREENLETS = 100
BATCH = 100


def switches(n: int) -> float:
    """Ten greenlets that yield."""
    from gevent import joinall, sleep, spawn

    def turns(count: int) -> None:
        for _ in range(count):
            sleep(0)

    start = perf_counter()
    joinall([spawn(turns, n // 10) for _ in range(10)])
    return perf_counter() - start


def spawns(n: int) -> float:
    """Greenlets that do nothing, spawned and joined in batches."""
    from gevent import spawn

    start = perf_counter()
    for _ in range(n // BATCH):
        for one in [spawn(int) for _ in range(BATCH)]:
            one.join()
    return perf_counter() - start


def timers(n: int) -> float:
    """A hundred greenlets that sleep 10 us at a time."""
    from gevent import joinall, sleep, spawn

    def naps(count: int) -> None:
        for _ in range(count):
            sleep(10e-6)

    start = perf_counter()
    joinall([spawn(naps, n // GREENLETS) for _ in range(GREENLETS)])
    return perf_counter() - start


def idle_adds(n: int) -> float:
    """A greenlet asks GLib for a callback and waits for it."""
    from gevent.event import Event

    called = Event()
    start = perf_counter()
    for _ in range(n):
        GLib.idle_add(called.set)
        called.wait()
        called.clear()
    return perf_counter() - start


def echo(connections: int) -> dict[str, float]:
    from gevent import joinall, spawn
    from gevent.socket import socket as Socket

    def serve(sock: Any) -> None:
        with sock:
            while data := sock.recv(4096):
                sock.send(data)

    listener = Socket(fileno=socket.create_server(("127.0.0.1", 0), backlog=connections).detach())
    numbers = (listener.getsockname()[1], connections, 100, 2 * options().seconds)
    client = subprocess.Popen([os.environ["ECHO_CLIENT"], *map(str, numbers)], stdout=subprocess.PIPE)
    joinall([spawn(serve, listener.accept()[0]) for _ in range(connections)])
    listener.close()
    output, _ = client.communicate()
    figures: dict[str, float] = json.loads(output)
    return figures


def on_gevent(work: Callable[[], Any]) -> Any:
    import gevent

    return gevent.spawn(work).get()


def on_glib(work: Callable[[], Any]) -> Any:
    import gleenlet.gevent

    gleenlet.gevent.install()
    import gevent

    loop = GLib.MainLoop()
    GLib.timeout_add(1000 // 60, lambda: True)
    job = gevent.spawn(work)
    job.link(lambda _: loop.quit())
    gleenlet.gevent.run(loop.run)
    return job.get()


def main() -> None:
    peer, variant = options().peer, options().variant
    on_peer = {"gevent": on_gevent, "gleenlet.gevent": on_glib}.get(peer)
    if on_peer is None or (variant == "idle_add" and peer == "gevent"):
        report({})
    elif variant.startswith("echo_"):
        report(on_peer(lambda: echo(int(variant.removeprefix("echo_")))))
    else:
        sample = {"switch": switches, "spawn": spawns, "timers": timers, "idle_add": idle_adds}[variant]
        operations, elapsed = on_peer(lambda: calibrate(sample, GREENLETS, options().seconds))
        report({"time": elapsed / operations * 1e9}, operations)


if __name__ == "__main__":
    main()

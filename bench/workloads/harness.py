"""What every workload shares: its command line, the choice of a sample's length, the one JSON line it prints.

Knows how to start each peer's loop and nothing of the workloads. A workload has one function for each peer:

    python bench/workloads/yields.py gevent
    {"figures": {"time": 1203.4}, "operations": 180000}

The function runs as a task of that peer (greenlet and GLib have no tasks and run plainly) and takes its own
time with `perf_counter`, so that loops starting and ending are not in the figure. The garbage collector
stays on.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import inspect
import json
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

Function = Callable[[int], Any]
AsyncFunction = Callable[[int], Coroutine[Any, Any, Any]]

# Event loops for somebody else's code. A workload names them only where it has something special for them.
RUNS_CODE_OF = {
    "gi.events": "asyncio",
    "uvloop": "asyncio",
    "gleenlet.asyncio": "asyncio",
    "gleenlet.gevent": "gevent",
    "recorder on": "gleenlet",
    "watchdog on": "gleenlet",
}


@functools.cache
def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("variant", nargs="?", help="a size or a flavour, where the workload has several")
    parser.add_argument("--operations", type=int, help="how many a sample has; found by trial if not given")
    parser.add_argument("--seconds", type=float, default=0.2, help="how long a sample lasts at least")
    return parser.parse_args()


def size(default: int) -> int:
    return int(options().variant or default)


def measure(peers: Mapping[str, Function], step: int = 1) -> None:
    """Print the time of one operation in ns.

    Args:
        peers: for each peer a function that does n operations and returns the seconds they took.
        step: n is always a multiple of it.
    """
    sample = starter(peers)
    if sample is None:
        report({})
        return
    operations = options().operations
    if operations is None:
        operations, elapsed = calibrate(sample, step, options().seconds)
    else:
        warm_up = operations // 10 // step * step
        if warm_up:
            sample(warm_up)
        elapsed = sample(operations)
    report({"time": elapsed / operations * 1e9}, operations)


def observe(peers: Mapping[str, Function], default_size: int = 0) -> None:
    """Print figures that are not a time for one operation.

    Args:
        peers: for each peer a function that takes the workload's size and returns its figures by name.
        default_size: used if the command line names no size.
    """
    sample = starter(peers)
    report({} if sample is None else sample(size(default_size)))


def calibrate(sample: Function, step: int, seconds: float) -> tuple[int, float]:
    """Lengthen the sample until it lasts `seconds`, which warms up as well."""
    operations = step
    while True:
        elapsed: float = sample(operations)
        if elapsed >= seconds:
            return operations, elapsed
        growth = min(max(seconds * 1.1 / max(elapsed, 1e-9), 1.1), 100)
        operations = max(int(operations * growth) // step, operations // step + 1) * step


def report(figures: Mapping[str, float], operations: int | None = None) -> None:
    print(json.dumps({"figures": figures, "operations": operations}), flush=True)


def starter(peers: Mapping[str, Function]) -> Function | None:
    """The function of the peer that the command line names, with that peer's loop around it."""
    name = options().peer
    function = peers.get(name) or peers.get(RUNS_CODE_OF.get(name, ""))
    if function is None:
        return None
    if name in ("gleenlet", "gleenlet.dbus"):
        return functools.partial(on_gleenlet, function)
    if name in ("recorder on", "watchdog on"):
        return functools.partial(on_gleenlet_looked_at, name, function)
    if name == "gleenlet.asyncio":
        return functools.partial(on_gleenlet_asyncio, function)
    if name == "gleenlet.gevent":
        return functools.partial(on_gleenlet_gevent, function)
    if name == "gevent":
        return functools.partial(on_gevent, function)
    if name == "trio":
        return functools.partial(on_trio, function)
    if inspect.iscoroutinefunction(function):
        return functools.partial(on_asyncio, loop_factory(name), function)
    return function


def on_gleenlet(function: Function, argument: int) -> Any:
    import gleenlet

    return gleenlet.run(function, argument)


def on_gleenlet_looked_at(name: str, function: Function, argument: int) -> Any:
    import gleenlet
    from gleenlet import debug

    with debug.record() if name == "recorder on" else debug.watch():
        return gleenlet.run(function, argument)


def on_gleenlet_asyncio(function: AsyncFunction, argument: int) -> Any:
    import gleenlet
    from gleenlet.asyncio import EventLoop

    return gleenlet.run(on_asyncio, EventLoop, function, argument)


def on_gleenlet_gevent(function: Function, argument: int) -> Any:
    import gleenlet.gevent

    gleenlet.gevent.install()
    return gleenlet.gevent.run(on_gevent, function, argument)


def on_gevent(function: Function, argument: int) -> Any:
    import gevent

    return gevent.spawn(function, argument).get()


def on_trio(function: AsyncFunction, argument: int) -> Any:
    import trio

    return trio.run(function, argument)


def on_asyncio(new_loop: Callable[[], AbstractEventLoop], function: AsyncFunction, argument: int) -> Any:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(function(argument))


def loop_factory(name: str) -> Callable[[], AbstractEventLoop]:
    """The event loop of a peer that runs asyncio's coroutines."""
    if name == "uvloop":
        import uvloop

        new_loop: Callable[[], AbstractEventLoop] = uvloop.new_event_loop
        return new_loop
    if name == "gi.events":
        from gi.events import GLibEventLoop  # type: ignore[import-untyped]
        from gi.repository import GLib

        return functools.partial(GLibEventLoop, GLib.MainContext.default())
    return asyncio.new_event_loop

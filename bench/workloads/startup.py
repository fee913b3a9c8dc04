"""How long it takes from a running interpreter to the imported package, and on to the end of a first task."""

from __future__ import annotations

from time import perf_counter

start = perf_counter()  # before anything else is imported, or the peers would find it there


def nothing() -> None:
    pass


async def nothing_async() -> None:
    pass


def on_gleenlet() -> float:
    import gleenlet

    imported = perf_counter()
    gleenlet.run(nothing)
    return imported


def on_greenlet() -> float:
    import greenlet

    imported = perf_counter()
    greenlet.greenlet(nothing).switch()
    return imported


def on_gevent() -> float:
    import gevent

    imported = perf_counter()
    gevent.spawn(nothing).join()
    return imported


def on_asyncio() -> float:
    import asyncio

    imported = perf_counter()
    asyncio.run(nothing_async())
    return imported


def on_gi_events() -> float:
    import asyncio

    from gi.events import GLibEventLoop  # type: ignore[import-untyped]
    from gi.repository import GLib

    imported = perf_counter()
    with asyncio.Runner(loop_factory=lambda: GLibEventLoop(GLib.MainContext.default())) as runner:
        runner.run(nothing_async())
    return imported


def on_uvloop() -> float:
    import asyncio

    import uvloop

    imported = perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(nothing_async())
    return imported


def on_trio() -> float:
    import trio

    imported = perf_counter()
    trio.run(nothing_async)
    return imported


def on_glib() -> float:
    from gi.repository import GLib

    imported = perf_counter()
    GLib.idle_add(nothing)
    GLib.MainContext.default().iteration(True)
    return imported


def main() -> None:
    import sys

    functions = {
        "gleenlet": on_gleenlet,
        "greenlet": on_greenlet,
        "gevent": on_gevent,
        "asyncio": on_asyncio,
        "gi.events": on_gi_events,
        "uvloop": on_uvloop,
        "trio": on_trio,
        "GLib": on_glib,
    }
    figures = {}
    if sys.argv[1] in functions:
        imported = functions[sys.argv[1]]()
        ended = perf_counter()
        figures = {"import": (imported - start) * 1e9, "first_task": (ended - start) * 1e9}

    from harness import report

    report(figures)


if __name__ == "__main__":
    main()

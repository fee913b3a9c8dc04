"""Ask Gio for a local file's size, asynchronously: the cost of one call and its answer.

Gio works on it in a thread of its own; that is in everybody's figure. GLib's own is the plain callback.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from gi.repository import Gio, GLib
from harness import measure

ARGUMENTS = ("standard::size", Gio.FileQueryInfoFlags.NONE, GLib.PRIORITY_DEFAULT)
FILE = Gio.File.new_for_path(__file__)


def on_gleenlet(n: int) -> float:
    from gleenlet import call

    start = perf_counter()
    for _ in range(n):
        call(FILE.query_info_async, *ARGUMENTS)
    return perf_counter() - start


def on_glib(n: int) -> float:
    loop: Any = GLib.MainLoop()
    missing = n

    def answered(file: Gio.File, result: Gio.AsyncResult, *_: Any) -> None:
        nonlocal missing
        file.query_info_finish(result)
        missing -= 1
        if missing:
            FILE.query_info_async(*ARGUMENTS, None, answered)
        else:
            loop.quit()

    start = perf_counter()
    FILE.query_info_async(*ARGUMENTS, None, answered)
    loop.run()
    return perf_counter() - start


async def on_gi_events(n: int) -> float:
    query: Any = FILE.query_info_async  # without a callback it can be awaited, which its types do not know
    start = perf_counter()
    for _ in range(n):
        await query(*ARGUMENTS)
    return perf_counter() - start


if __name__ == "__main__":
    measure({"gleenlet": on_gleenlet, "GLib": on_glib, "gi.events": on_gi_events}, step=10)

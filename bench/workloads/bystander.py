"""What a GLib application pays that has gleenlet and no tasks: the cost of one iteration of its loop.

The application is an idle source in Python. Variant "imported" only imports gleenlet; "used" has run a task
before, so that its source is attached; "asleep" has a task that sleeps all the while.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from harness import calibrate, options, report

SECONDS_ASLEEP = 3600.0


def iterations(n: int) -> float:
    from gi.repository import GLib

    loop: Any = GLib.MainLoop()
    left = n

    def work() -> bool:
        nonlocal left
        left -= 1
        if not left:
            loop.quit()
        return left > 0

    source: Any = GLib.idle_source_new()
    source.set_priority(GLib.PRIORITY_DEFAULT)
    source.set_callback(lambda *_: work())
    source.attach()
    start = perf_counter()
    loop.run()
    return perf_counter() - start


def bring_gleenlet(variant: str) -> None:
    import gleenlet

    if variant == "used":
        gleenlet.run(gleenlet.sleep, 0)
    elif variant == "asleep":
        gleenlet.spawn(gleenlet.sleep, SECONDS_ASLEEP)
        gleenlet.run(gleenlet.sleep, 0)


def main() -> None:
    if options().peer not in ("gleenlet", "GLib"):
        report({})
        return
    if options().peer == "gleenlet":
        bring_gleenlet(options().variant or "imported")
    operations, elapsed = calibrate(iterations, 1000, options().seconds)
    report({"time": elapsed / operations * 1e9}, operations)


if __name__ == "__main__":
    main()

"""`python -m gleenlet top`: the tasks in a terminal, again and again; in colour, and in place, with rich."""

from __future__ import annotations

import collections
import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from gleenlet.debug._text import quoted

__all__ = ["Shares", "head", "show", "table"]

TITLES = ("ID", "NAME", "STATE", "SECONDS", "WAITS FOR", "HELD BY", "RUNS")
COLOURS = {"running": "bold green", "ready": "yellow", "waiting": "dim", "cancelling": "magenta", "new": "cyan"}

Tasks = list[dict[str, Any]]


class Shares:
    """How much of the time each task ran between two looks, where the process records."""

    def __init__(self) -> None:
        self._before: dict[int, float] = {}
        self._when = 0.0

    def count(self, tasks: Tasks, now: float) -> None:
        """Put it into each as "share", from 0 to 1; None where it is not known; and the busiest first."""
        ran = {task["number"]: task["time_running"] for task in tasks if task["number"] is not None}
        for task in tasks:
            before = self._before.get(task["number"])
            share = None if before is None or now <= self._when else (ran[task["number"]] - before) / (now - self._when)
            task["share"] = None if share is None else min(max(share, 0.0), 1.0)
        self._before, self._when = ran, now
        tasks.sort(key=lambda task: (-(task["share"] or 0), task["state"] == "waiting", -(task["since"] or 0)))


def head(tasks: Tasks) -> str:
    """How many there are, in each state."""
    states = collections.Counter(task["state"] for task in tasks)
    return f"{len(tasks)} tasks: " + ", ".join(f"{number} {state}" for state, number in sorted(states.items()))


def rows(tasks: Tasks) -> Iterator[tuple[str, ...]]:
    names = {task["id"]: task["name"] for task in tasks}
    for task in tasks:
        held, share = task["held_by"], task.get("share")
        more = f" and {len(held) - 1} more" if len(held) > 1 else ""
        yield (
            str(task["id"]),
            quoted(task["name"])[:40],
            task["state"] + (" stuck" if task["stuck"] else ""),
            "" if task["since"] is None else f"{task['since']:.1f}",
            quoted(task["waiting_on"] or "")[:50],
            quoted(names.get(held[0], "?"))[:40] + more if held else "",
            "" if share is None else f"{share:.0%}",
        )


def titles(tasks: Tasks) -> tuple[str, ...]:
    return TITLES if tasks and "share" in tasks[0] else TITLES[:-1]


def table(tasks: Tasks, most: int | None = None) -> str:
    """The tasks as lines of text."""
    lines = [titles(tasks), *list(rows(tasks))[:most]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def show(ask: Callable[[], Tasks], seconds: float, times: int | None, most: int) -> None:
    """Ask and draw, `times` times, with pauses; for ever if that is None."""
    shares = Shares()
    live = in_place() if sys.stdout.isatty() else None
    with live or contextlib.nullcontext():
        for look in itertools.count() if times is None else range(times):
            if look:
                time.sleep(seconds)
            tasks = ask()
            shares.count(tasks, time.monotonic())
            if live is None:
                print(head(tasks), table(tasks, most), sep="\n", flush=True)
            else:
                live.update(coloured(tasks, most), refresh=True)


def in_place() -> Any:
    """What draws over what it has drawn; None without rich."""
    try:
        from rich.live import Live
    except ImportError:
        print('for a table in place: pip install "gleenlet[cli]"', file=sys.stderr)
        return None
    return Live(screen=True, auto_refresh=False)


def coloured(tasks: Tasks, most: int) -> Any:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=head(tasks), expand=True, box=None, title_justify="left")
    for title in titles(tasks):
        drawn.add_column(title, justify="right" if title in ("SECONDS", "RUNS") else "left", no_wrap=True)
    for task, row in zip(tasks[:most], rows(tasks), strict=False):
        drawn.add_row(*map(Text, row), style="bold red" if task["stuck"] else COLOURS.get(task["state"], ""))
    return drawn

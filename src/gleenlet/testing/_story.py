"""A run as a table in words: who ran at each step, and up to which wait."""

from __future__ import annotations

from typing import Any

from gleenlet import Hub, Task
from gleenlet._core import what_it_waits_for
from gleenlet.testing._places import place
from gleenlet.testing._undo import BEGINS, ENDS, INTERRUPTED, SPAWNED, WAITS, WAKES

__all__ = ["Story"]

LONGEST = 60  # rows


class Story:
    """An observer of the hub that writes down a run."""

    def __init__(self, hub: Hub, start: float) -> None:
        self.hub = hub
        self.rows: list[tuple[float, str, list[str]]] = []
        self.start = start

    def __call__(self, event: int, item: Any) -> None:
        if event == BEGINS:
            task = item if isinstance(item, Task) else getattr(item, "job", None)
            name = task.name if isinstance(task, Task) else "loop"
            self.rows.append((self.hub.time() - self.start, name, []))
            return
        if not self.rows:
            return
        said = self.rows[-1][2]
        if event == SPAWNED:
            said.append(f"starts {item.name!r}")
        elif event == WAITS:
            said.append(f"waits for {what_it_waits_for(item)} at {place().rpartition('/')[2]}")
        elif event == INTERRUPTED:
            said.append(f"interrupts {item.name!r}")
        elif event == WAKES and item.job is not None and item.verb != "timer":
            said.append(f"wakes {item.job.name!r}")
        elif event == ENDS:
            said.append("ends")

    def tell(self, what: str) -> None:
        """Add to the step that goes on."""
        if self.rows:
            self.rows[-1][2].append(what)

    def table(self) -> str:
        """The rows: step, time, who, what."""
        shown = self.rows[-LONGEST:]
        wide = max((len(name) for _, name, _ in shown), default=0)
        first = len(self.rows) - len(shown) + 1
        return "\n".join(
            f"{step:4} {when:8.3f} s  {name:{wide}}  {', '.join(said) or 'runs'}"
            for step, (when, name, said) in enumerate(shown, first)
        )

"""The tree of tasks as text. Knows records only."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from gleenlet.debug._record import TaskRecord
from gleenlet.debug._tasks import tasks

__all__ = ["format_tasks", "print_tasks", "quoted", "sentence"]

OLD = 0.1  # seconds of waiting that are worth a word


def print_tasks(*, stacks: bool = False, limit: int | None = None, file: TextIO | None = None) -> None:
    """Print the tree of unfinished tasks: what each waits for, who holds that, since when, and where it stands.

    Args:
        stacks: the whole stack of each, not only the user's innermost line.
        limit: print so many tasks at most.
        file: instead of `sys.stderr`.

    Thread: any.

    >>> import sys
    >>> from gleenlet import run, spawn
    >>> run(lambda: spawn(print_tasks, file=sys.stdout, name="me").result())
    3 tasks
    ...
    'me' running
    ...
    """
    print(format_tasks(stacks=stacks, limit=limit), end="", file=sys.stderr if file is None else file)


def format_tasks(records: Sequence[TaskRecord] | None = None, *, stacks: bool = False, limit: int | None = None) -> str:
    """Return the text that `print_tasks` prints.

    Args:
        records: what `tasks()` has returned; None: ask now.
        stacks, limit: as in `print_tasks`.

    >>> format_tasks([])
    'no tasks\\n'
    """
    now = time.monotonic()  # looking takes its time, too
    if limit is not None and limit < 0:
        raise ValueError(f"limit must be 0 or more tasks, not {limit}")
    if records is None:
        records = tasks()
    lines = [f"{len(records)} task{'s' * (len(records) != 1)}" if records else "no tasks"]
    for shown, (record, lead, below) in enumerate(tree(records)):
        if shown == limit:
            lines.append(f"... and {len(records) - shown} more")
            break
        place = record.where
        lines.append(f"{lead}{sentence(record, now)}" + (f"; {quoted(str(place))}" if place and not stacks else ""))
        if stacks:
            lines.extend(f"{below}    {quoted(str(frame))}" for frame in record.stack)
    lines.extend(cycles(records))
    return "\n".join(lines) + "\n"


def sentence(record: TaskRecord, now: float) -> str:
    """What it does, in one line: "'load' waiting 2.1 s for Lock.acquire, held by task 'save'"."""
    name = quoted(record.name) if record.kind == "greenlet" else repr(record.name)
    text = f"{name} {record.state}"
    if record.waiting_on is not None:
        if record.since is not None and now - record.since >= OLD:
            text += f" {now - record.since:.1f} s"
        text += f" for {quoted(record.waiting_on)}"
        if record.waiting_on == "Lock.acquire" and record.held_by:
            text += f", held by task {record.held_by[0].name!r}"
        if record.deadline is not None:
            text += f", {max(record.deadline - now, 0):.1f} s left"
    if record.priority:
        text += f", priority {record.priority}"
    if record.cycle is not None:
        text += f" [cycle {record.cycle}]"
    return text + (" [stuck]" if record.stuck else "")


def tree(records: Sequence[TaskRecord]) -> Iterator[tuple[TaskRecord, str, str]]:
    """Each record, what to draw before its line, and before the lines below it; parents before their children."""
    shown: set[int] = set()
    todo = [(record, "", "") for record in reversed(records) if record.parent is None]
    strays = iter(records)  # whose parents were not looked at, or are their own ancestors
    while True:
        while todo:
            record, lead, below = todo.pop()
            if record.id in shown:
                continue
            shown.add(record.id)
            yield record, lead, below
            last = len(record.children) - 1
            for place in range(last, -1, -1):
                branch, rest = ("└─ ", "   ") if place == last else ("├─ ", "│  ")
                todo.append((record.children[place], below + branch, below + rest))
        stray = next((record for record in strays if record.id not in shown), None)
        if stray is None:
            return
        todo.append((stray, "", ""))


def cycles(records: Sequence[TaskRecord]) -> Iterator[str]:
    """A line for each cycle: who waits for whom, round to the first."""
    seen: set[int] = set()
    for first in records:
        if first.cycle is None or first.cycle in seen:
            continue
        seen.add(first.cycle)
        names, record = [first.name], first
        passed = {first.id}
        while True:
            record = next(other for other in record.held_by if other.cycle == first.cycle)
            names.append(record.name)
            if record.id in passed:
                break
            passed.add(record.id)
        yield f"cycle {first.cycle}: " + " waits for ".join(map(repr, names))


def quoted(text: str) -> str:
    """The text with what would move a terminal's cursor, or break the line, spelt out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)

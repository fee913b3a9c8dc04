"""Which tasks the list shows, in which order and how far indented. Knows records only."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gleenlet.debug._record import TaskRecord

__all__ = ["COLUMNS", "Row", "View", "cells"]


class Row(NamedTuple):
    record: TaskRecord
    depth: int
    folded: bool | None
    """None: it has no children."""


def nothing_last(value: Any) -> tuple[bool, Any]:
    return (value is None, value)


KEYS: dict[str, Callable[[TaskRecord], Any]] = {
    "Name": lambda one: one.name,
    "State": lambda one: one.state,
    "Seconds": lambda one: nothing_last(one.since),  # who waits longest first
    "Waits for": lambda one: nothing_last(one.waiting_on),
    "Held by": lambda one: nothing_last(one.held_by[0].name if one.held_by else None),
    "Left": lambda one: nothing_last(one.deadline),
    "Switches": lambda one: nothing_last(None if one.switches is None else -one.switches),
    "Ran": lambda one: nothing_last(None if one.time_running is None else -one.time_running),
    "Stands at": lambda one: nothing_last(None if one.where is None else one.where),
}
COLUMNS = tuple(KEYS)


def cells(row: Row, now: float) -> tuple[str, ...]:
    """The texts of its columns.

    >>> cells(Row(TaskRecord(None, 1, "load", "waiting", 0, 0, since=1.0), 0, None), 3.5)[:3]
    ('load', 'waiting', '2.5')
    """
    record, depth, folded = row
    mark = "" if folded is None else "▸ " if folded else "▾ "
    where = record.where
    return (
        "    " * depth + mark + record.name,
        record.state + (" ⟳" if record.cycle is not None else "") + (" ✕" if record.stuck else ""),
        "" if record.since is None else f"{max(now - record.since, 0):.1f}",
        record.waiting_on or "",
        ", ".join(other.name for other in record.held_by[:3]),
        "" if record.deadline is None else f"{max(record.deadline - now, 0):.1f}",
        "" if record.switches is None else str(record.switches),
        "" if record.time_running is None else f"{record.time_running:.3f}",
        "" if where is None else f"{where.function} ({os.path.basename(where.file)}:{where.line})",
    )


@dataclass
class View:
    """What the user has chosen to see.

    >>> one = TaskRecord(None, 1, "load", "waiting", 0, 0)
    >>> View(needle="sav").rows([one]), [row.record.name for row in View().rows([one])]
    ([], ['load'])
    """

    key: str | None = None
    """A column; None: as they were made."""
    down: bool = False
    """The other way round."""
    needle: str = ""
    """Part of the name, of what it waits for, or of where it stands."""
    state: str | None = None
    folded: set[int] = field(default_factory=set)
    """Ids of those whose children are not shown."""

    def rows(self, records: Sequence[TaskRecord]) -> list[Row]:
        """Those that fit, and those above them in the tree; children below their parents."""
        if self.key is not None:
            records = sorted(records, key=KEYS[self.key], reverse=self.down)
        below: dict[int | None, list[TaskRecord]] = {}
        known = {record.id for record in records}
        for record in records:
            parent = record.parent.id if record.parent is not None and record.parent.id in known else None
            below.setdefault(parent, []).append(record)
        wanted = self.wanted(records)
        rows: list[Row] = []
        seen: set[int] = set()
        todo = [(record, 0) for record in reversed(below.get(None, []))]
        while todo:
            record, depth = todo.pop()
            if record.id in seen or (wanted is not None and record.id not in wanted):
                continue
            seen.add(record.id)
            children = below.get(record.id, [])
            folded = record.id in self.folded
            rows.append(Row(record, depth, folded if children else None))
            if not folded:
                todo.extend((child, depth + 1) for child in reversed(children))
        return rows

    def wanted(self, records: Sequence[TaskRecord]) -> Collection[int] | None:
        """Ids of those that fit and of those above them; None: all."""
        needle = self.needle.casefold()
        if not needle and self.state is None:
            return None
        wanted: set[int] = set()
        for record in records:
            if self.state is not None and record.state != self.state:
                continue
            if needle and not any(needle in text.casefold() for text in texts(record)):
                continue
            one: TaskRecord | None = record
            while one is not None and one.id not in wanted:
                wanted.add(one.id)
                one = one.parent
        return wanted


def texts(record: TaskRecord) -> tuple[str, ...]:
    return (record.name, record.waiting_on or "", str(record.where or ""))

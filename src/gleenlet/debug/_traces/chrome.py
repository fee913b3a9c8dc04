"""Chrome's trace events, as JSON: for chrome://tracing, Perfetto's window, and whatever else reads it."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from gleenlet.debug._traces.timeline import FRAMES, LOOP, Item, Names, Row, Writer

__all__ = ["Chrome"]

TASKS = 1 << 23  # above all numbers of threads


class Chrome(Writer):
    def __init__(self, file: BinaryIO, names: Names) -> None:
        super().__init__(file, names)
        self.rows: dict[Row, int] = {}
        self.before = b'{"displayTimeUnit": "ns", "traceEvents": [\n'
        self.meta("process_name", 0, name=names.program)

    def close(self) -> None:
        self.file.write(b"\n]}\n")

    def add(self, item: Item) -> None:
        number = self.row(item.row)
        waits = item.kind == "waiting"
        time = microseconds(item.begin)
        # An arrow begins in a slice: a moment takes a nanosecond.
        lasts = 0.001 if item.end is None else microseconds(item.end - item.begin)
        about = {"for": self.names.waits_for(item)} if waits else {}
        title = item.kind if waits else self.names.title(item)
        self.write({"ph": "X", "name": title, "cat": item.kind, "ts": time, "dur": lasts, "args": about}, number)
        if item.joint:
            end = {"ph": "s"} if item.end is None else {"ph": "f", "bp": "e"}
            self.write({**end, "id": item.joint, "ts": time, "name": "wake", "cat": "wake"}, number)

    def row(self, row: Row) -> int:
        number = self.rows.get(row)
        if number is None:
            thread = self.names.thread(row.loop)[1]
            number = thread if row.task == LOOP else TASKS - row.loop if row.task == FRAMES else TASKS + row.task
            self.rows[row] = number
            self.meta("thread_name", number, name=self.names.of(row))
            self.meta("thread_sort_index", number, sort_index=row.loop * TASKS + row.task)
        return number

    def meta(self, kind: str, number: int, **about: Any) -> None:
        self.write({"ph": "M", "name": kind, "args": about}, number)

    def write(self, event: dict[str, Any], number: int) -> None:
        event["pid"] = self.names.pid
        event["tid"] = number
        self.file.write(self.before + json.dumps(event, separators=(",", ":")).encode())
        self.before = b",\n"


def microseconds(seconds: float) -> float:
    return round(seconds * 1e6, 3)

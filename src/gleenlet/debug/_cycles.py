"""Find those who wait for each other: the strongly connected parts of "waits for". Knows nothing of tasks."""

from __future__ import annotations

from gleenlet.debug._record import TaskRecord

__all__ = ["mark_cycles"]


def mark_cycles(records: list[TaskRecord]) -> None:
    """Number the cycles, from 1 on, in those who are in one. (Tarjan's algorithm, without recursion.)"""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[TaskRecord] = []
    on_path: set[int] = set()
    cycles = 0
    for start in records:
        if not start.held_by or start.id in order:
            continue
        work = [(start, 0)]
        while work:
            record, place = work.pop()
            if not place:
                order[record.id] = low[record.id] = len(order)
                path.append(record)
                on_path.add(record.id)
            if place < len(record.held_by):
                work.append((record, place + 1))
                other = record.held_by[place]
                if other.id not in order:
                    work.append((other, 0))
                elif other.id in on_path:
                    low[record.id] = min(low[record.id], order[other.id])
                continue
            if low[record.id] == order[record.id]:
                part = path[path.index(record) :] if path[-1] is not record else [record]
                del path[-len(part) :]
                on_path.difference_update(one.id for one in part)
                if len(part) > 1 or record in record.held_by:
                    cycles += 1
                    for one in part:
                        one.cycle = cycles
            if work:
                below = work[-1][0]
                low[below.id] = min(low[below.id], low[record.id])

"""Tell who can never be woken: all who could end his wait are stuck themselves, and no clock ends it."""

from __future__ import annotations

from gleenlet.debug._record import TaskRecord

__all__ = ["mark_stuck"]


def mark_stuck(waits: list[TaskRecord]) -> None:
    """Mark those of these, who wait for other tasks alone, for whom no such task can do anything any more.

    All are taken to be stuck; then, again and again, those go whom somebody can still free, until none goes. A
    TaskGroup needs all its tasks: one that is stuck is enough.
    """
    left = {one.id: one for one in waits if one.deadline is None and one.held_by}
    above: dict[int, list[TaskRecord]] = {}  # by the id of one held by: who waits for him
    free: dict[int, int] = {}  # how many of those that each waits for are stuck
    for one in left.values():
        free[one.id] = sum(other.id in left for other in one.held_by)
        for other in one.held_by:
            above.setdefault(other.id, []).append(one)
    todo = [one for one in left.values() if not free[one.id]]
    while todo:
        freed = todo.pop()
        del left[freed.id]
        for one in above.get(freed.id, ()):
            free[one.id] -= 1
            if not free[one.id]:
                todo.append(one)
    for one in left.values():
        one.stuck = True

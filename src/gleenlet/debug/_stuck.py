"""Tell who can never be woken: all who could end his wait are stuck themselves, and no clock ends it."""

from __future__ import annotations

from gleenlet.debug._record import TaskRecord

__all__ = ["mark_stuck"]


def mark_stuck(waits: list[TaskRecord]) -> None:
    """Mark those of these, who wait for other tasks alone, for whom no such task can do anything any more.

    All are taken to be stuck; then, again and again, those go whom somebody can still free, until none goes. Who waits
    for several tasks is stuck once all that are left of them are: until then one may fail, which ends a TaskGroup.
    """
    left = {one.id: one for one in waits if one.deadline is None and one.held_by}
    above: dict[int, list[TaskRecord]] = {}  # by the id of one held by: who waits for him
    for one in left.values():
        for other in one.held_by:
            above.setdefault(other.id, []).append(one)
    todo = [one for one in left.values() if any(other.id not in left for other in one.held_by)]
    while todo:
        freed = todo.pop()
        if left.pop(freed.id, None) is not None:
            todo += above.get(freed.id, ())
    for one in left.values():
        one.stuck = True

"""The types of tasks, scopes and queues. Checked by mypy, never run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_type

from gleenlet import MoveOn, Queue, Task, TaskGroup, Timeout, as_completed, move_on_after, run, spawn, timeout, wait


def number() -> int:
    return 1


def nothing() -> None:
    pass


assert_type(spawn(number), Task[int])
assert_type(spawn(number).result(), int)
assert_type(run(number), int)
with TaskGroup() as group:
    assert_type(group.spawn(number), Task[int])

# A Task is covariant, as asyncio's: tasks of several types go together.
wait([spawn(number), spawn(nothing)])
done, _pending = wait([spawn(number)])
assert_type(done, set[Task[int]])
assert_type([task.result() for task in as_completed([spawn(number)])], list[int])
tasks: Sequence[Task[object]] = [spawn(number), spawn(nothing)]
either: Task[int | None] = spawn(number)
wrong: Task[int] = spawn(nothing)  # type: ignore[arg-type]
spawn(number).add_done_callback(lambda task: assert_type(task.result(), int))


# Names for annotations.
def extend(limit: Timeout | MoveOn) -> None:
    limit.reschedule(None)


with timeout(1) as limit, move_on_after(1) as quiet:
    extend(limit)
    extend(quiet)

queue: Queue[int] = Queue()
assert_type(queue.get(), int)
queue.put("x")  # type: ignore[arg-type]

"""A test of five tasks with a lock and a queue under `explore`: the processor's time for one schedule."""

from __future__ import annotations

from time import process_time

from harness import calibrate, options, report

from gleenlet import Lock, Queue, TaskGroup, sleep
from gleenlet.testing import explore

WORKERS = 5


def test() -> None:
    lock, items = Lock(), Queue[int]()
    total = 0

    def work(number: int) -> None:
        nonlocal total
        with lock:
            before = total
            sleep(0)
            total = before + number
        items.put(number)

    with TaskGroup() as group:
        for number in range(WORKERS):
            group.spawn(work, number)
        seen = [items.get() for _ in range(WORKERS)]
    assert sorted(seen) == list(range(WORKERS))
    assert total == sum(range(WORKERS))


def schedules(n: int) -> float:
    start = process_time()
    explore(runs=n)(test)()
    return process_time() - start


if __name__ == "__main__":
    if options().peer == "gleenlet":
        operations, elapsed = calibrate(schedules, 100, options().seconds)
        report({"time": elapsed / operations * 1e9}, operations)
    else:
        report({})

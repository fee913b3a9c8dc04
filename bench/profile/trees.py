"""The tree of tasks of so many sleepers (100000, say): seconds to look at them, and to write the text."""

import time

from gleenlet import debug, run, sleep, spawn


def main(n: int) -> None:
    sleepers = [spawn(sleep, 1e6) for _ in range(n)]
    while any(task.waiter is None for task in sleepers):
        sleep(0.1)
    begin = time.perf_counter()
    records = debug.tasks()
    looked = time.perf_counter()
    debug.format_tasks(records)
    print(f"{n} tasks: tasks() {looked - begin:.3f} s, format_tasks() {time.perf_counter() - looked:.3f} s")
    for task in sleepers:
        task.cancel()
    for task in sleepers:
        task.join()


if __name__ == "__main__":
    import sys

    run(main, int(sys.argv[1]))

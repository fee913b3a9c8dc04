"""One allocation after the other fails: `python tests/core/no_memory.py WORK FIRST LAST`; test_no_memory.py runs it.

Each point is a forked child of its own. A child that greenlet itself ends is no fault of ours: greenlet copies stacks
aside while it switches, and where there is no memory for that it ends the process ("Failed low-level slp_switch").
"""

from __future__ import annotations

import _testcapi  # type: ignore[import-not-found]
import faulthandler
import os
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable

from gi.repository import Gio

import gleenlet

GREENLETS_END = (b"Failed low-level slp_switch", b"Unhandled C++ exception", b"expose_frames(): Assertion")


def spawn() -> object:
    return gleenlet.spawn(int).result()


def join() -> object:
    return gleenlet.spawn(gleenlet.sleep, 0).join()


def group() -> object:
    with gleenlet.TaskGroup() as tasks:
        tasks.spawn(gleenlet.sleep, 0)
        return tasks.spawn(int).result()


def lock() -> object:
    mutex = gleenlet.Lock()

    def hold() -> None:
        with mutex:
            gleenlet.sleep(0)

    for task in [gleenlet.spawn(hold) for _ in range(2)]:
        task.result()
    return mutex.locked()


def queue() -> object:
    items: gleenlet.Queue[int] = gleenlet.Queue(1)

    def feed() -> None:
        try:
            for number in range(2):
                items.put(number)
        finally:
            items.shutdown()

    task = gleenlet.spawn(feed)
    try:
        return items.get() + items.get()
    except gleenlet.QueueShutDown:
        return task.result()
    finally:
        items.shutdown(immediate=True)


def call() -> object:
    return gleenlet.call(
        Gio.File.new_for_path("/").query_info_async, "standard::name", Gio.FileQueryInfoFlags.NONE
    ).get_name()


def to_thread() -> object:
    return gleenlet.to_thread(int)


WORKS: dict[str, Callable[[], object]] = {
    func.__name__: func for func in (spawn, join, group, lock, queue, call, to_thread)
}


def in_child(work: Callable[[], object], point: int) -> str:
    """How `work` ends when allocation number `point` fails; afterwards it has to work."""

    def main() -> str:
        expected = work()
        _testcapi.set_nomemory(point, point + 1)
        try:
            result = work()
        except MemoryError:
            outcome = "MemoryError"
        except BaseException as error:
            outcome = type(error).__name__
        else:
            outcome = "worked" if result == expected else "another result"
        finally:
            _testcapi.remove_mem_hooks()
        return outcome if work() == expected else f"broken after {outcome}"

    try:
        return gleenlet.run(main)
    except MemoryError:  # of the one who drives the loop
        _testcapi.remove_mem_hooks()
    return "MemoryError" if gleenlet.run(work) == gleenlet.run(work) else "broken after MemoryError"


def outcome_of(work: Callable[[], object], point: int) -> str:
    with tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as stdout:
        pid = os.fork()
        if not pid:
            os.dup2(stderr.fileno(), 2)
            os.dup2(stdout.fileno(), 1)
            faulthandler.dump_traceback_later(20, exit=True)
            try:
                os.write(1, in_child(work, point).encode())
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(0)
        status = gleenlet.wait_child(pid)
        stderr.seek(0)
        stdout.seek(0)
        output, errors = stdout.read().decode(), stderr.read()
    if any(text in errors for text in GREENLETS_END):
        return "ended by greenlet"
    if b"Timeout (" in errors:
        return f"hangs at {point}: {errors.decode()[-600:]}"
    return output if status == 0 and output else f"status {status} at {point}: {errors.decode()[-1200:]}"


if __name__ == "__main__":
    what, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for outcome, count in Counter(outcome_of(WORKS[what], point) for point in range(first, last)).items():
        print(count, outcome)

"""One allocation after the other fails: `python tests/core/no_memory.py WORK FIRST LAST`; test_no_memory.py runs it.

Each point is a forked child of its own. A line says how many points ended in which way, and for which library the
allocation was that failed. The works whose names begin with "bare" know nothing of gleenlet: they show what greenlet,
PyGObject and Python do by themselves.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable

import scarce  # type: ignore[import-not-found]  # of scarce.c
from gi.repository import Gio, GLib
from greenlet import getcurrent, greenlet

import gleenlet

LIBRARIES = {
    "_greenlet": "greenlet",
    "_gi": "PyGObject",
    "_native": "gleenlet",
    "_slabs": "gleenlet",
    "PyFunction_NewWithQualName": "def",
}


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


def bare_greenlets() -> object:
    here = getcurrent()

    def leaf() -> int:
        here.switch()
        return 1

    def body() -> int:
        child = greenlet(leaf)
        child.switch()
        try:
            here.switch()
        except ValueError:
            pass
        return child.switch() or 2

    child = greenlet(body)
    child.switch()
    child.switch()
    return child.throw(ValueError)


def bare_gio() -> object:
    loop = GLib.MainLoop()
    names: list[str] = []

    def done(source: Gio.File, result: Gio.AsyncResult, *_: object) -> None:
        try:
            names.append(source.query_info_finish(result).get_name())
        finally:
            loop.quit()

    Gio.File.new_for_path("/").query_info_async("standard::name", Gio.FileQueryInfoFlags.NONE, 0, None, done)
    loop.run()
    if not names:
        raise MemoryError
    return names[0]


def make() -> Callable[[], int]:
    def made() -> int:
        return 1

    return made


HELD = [make().__code__] * 1000  # it would be freed under the function that has it as a constant


def bare_def() -> object:
    """How often the code of a function that is made again and again is referred to: always as often."""
    make()
    return sys.getrefcount(HELD[0])


WORKS: dict[str, Callable[[], object]] = {
    func.__name__: func
    for func in (spawn, join, group, lock, queue, call, to_thread, bare_greenlets, bare_gio, bare_def)
}


def fails_at(work: Callable[[], object], point: int, told: int) -> str:
    """How `work` ends when allocation number `point` fails; afterwards it has to work."""
    expected = work()
    scarce.fail(point, told)
    try:
        result = work()
    except MemoryError:
        outcome = "MemoryError"
    except BaseException as error:
        outcome = type(error).__name__
    else:
        outcome = "worked" if result == expected else "another result"
    finally:
        scarce.enough()
    return outcome if work() == expected else f"broken after {outcome}"


def in_child(work: Callable[[], object], point: int, told: int) -> str:
    if work.__name__.startswith("bare"):
        return fails_at(work, point, told)
    try:
        return gleenlet.run(fails_at, work, point, told)
    except MemoryError:  # of the one who drives the loop
        scarce.enough()
    return "MemoryError" if gleenlet.run(work) == gleenlet.run(work) else "broken after MemoryError"


def outcome_of(work: Callable[[], object], point: int) -> str:
    with tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as told:
        pid = os.fork()
        if not pid:
            os.dup2(stderr.fileno(), 2)
            os.dup2(stdout.fileno(), 1)
            faulthandler.dump_traceback_later(100, exit=True)
            try:
                os.write(1, in_child(work, point, told.fileno()).encode())
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = []
        for file in (stdout, stderr, told):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    output, errors, library = texts
    asked = LIBRARIES.get(library.partition(".")[0], library or "nobody")
    if "Timeout (" in errors:
        output = f"hangs: {errors[-1000:]!r}"
    elif status or not output:
        output = signal.Signals(-status).name if status < 0 else f"{status}: {errors[-1000:]!r}"
    return f"{asked}: {output}"


if __name__ == "__main__":
    what, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for outcome, count in Counter(outcome_of(WORKS[what], point) for point in range(first, last)).items():
        print(count, outcome)

"""Memory and exit: what the hub leaves behind when all has ended, or nothing has."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import threading
from typing import Any

import pytest
from gi.repository import GLib
from greenlet import greenlet

from child import in_child, run_script
from gleenlet import Event, Task, get_hub, run, schedule_switch, sleep, spawn


@in_child()
def test_nothing_is_leaked() -> None:
    def crash() -> None:
        raise ValueError

    def once() -> None:
        one, two, _, four = spawn(sleep, 10), spawn(sleep, 0), spawn(crash), spawn(sleep, 5)
        sleep(0)
        one.cancel()
        one.join()
        two.join()
        four.cancel()
        four.join()
        raw = greenlet(lambda: get_hub().switch())
        schedule_switch(raw)
        sleep(0)
        schedule_switch(raw, 1)
        sleep(0)

    def used(times: int) -> tuple[int, int]:
        for _ in range(times):
            once()
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(gc.get_objects())

    get_hub().on_error(lambda task, error: None)
    memory, objects = used(3_000)
    more_memory, more_objects = used(20_000)
    assert more_memory - memory < 1500
    assert more_objects - objects < 50


SAID = "r> and 9990 more; call shutdown() before\n"


# gi's importer of PyGObject 3.42 warns under -X dev.
@pytest.mark.parametrize("flags", [[], ["-X", "dev", "-W", "ignore::ImportWarning"]], ids=["", "dev"])
def test_exit_with_ten_thousand_suspended_tasks_says_so_once(flags: list[str]) -> None:
    program = (
        "from gleenlet import *\n"
        "tasks = [spawn(sleep, 1000) for _ in range(10_000)]\n"
        "while get_hub()._timers < 10_000: sleep(0)\n"
        "import warnings; warnings.showwarning = lambda message, *_: print(str(message)[-40:])\n"
        "print(sum(t.greenlet is not None for t in tasks))\n"
    )
    done = subprocess.run([sys.executable, *flags, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "10000\n" + SAID, "")


@in_child(says="left\nwent on\nend")
def test_task_outlives_its_loop_and_its_thread() -> None:
    over: list[Task[Any]] = []

    def main(gate: Event) -> None:
        spawn(gate.wait).add_done_callback(over.append)
        sleep(0)

    gate = Event()
    run(main, gate)
    print("left")
    gate.set()
    while not over:
        sleep(0)
    print("went on")

    def thread() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        run(main, Event())
        context.pop_thread_default()

    other = threading.Thread(target=thread)
    other.start()
    other.join()
    gc.collect()
    print("end")


def test_main_interpreter_only() -> None:
    if sys.version_info < (3, 12) or sys.version_info < (3, 13):
        program = "import _xxsubinterpreters as s; s.run_string(s.create(), 'import gleenlet')"
    else:
        program = "import _interpreters as s; print(s.run_string(s.create(), 'import gleenlet'))"
    outcome = run_script(program)
    assert outcome.signal is None
    assert "Error" in outcome.stderr + outcome.stdout


def test_garbage_of_the_core_is_collected() -> None:
    class Thing:
        pass

    class Own(Task[int]):  # it has a __dict__, as no Task of ours
        pass

    import weakref

    thing = Thing()
    thing.task = spawn(lambda t: t, thing)  # type: ignore[attr-defined]
    thing.task.join()  # type: ignore[attr-defined]
    thing.handle = get_hub().call_later(100, print, thing)  # type: ignore[attr-defined]
    thing.handle.cancel()  # type: ignore[attr-defined]
    own = thing.own = Own(int, (), {}, 0, None, True)  # type: ignore[attr-defined]
    own.thing = thing  # type: ignore[attr-defined]
    own.join()
    ref = weakref.ref(thing)
    del thing, own
    gc.collect()
    assert ref() is None

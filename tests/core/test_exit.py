"""Memory and exit: what the hub leaves behind when all has ended, or nothing has."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from child import run_script
from gleenlet import (
    Task,
    get_hub,
    spawn,
)


def test_nothing_is_leaked() -> None:
    outcome = run_script(
        "import gc, resource\nfrom gleenlet import *\nfrom greenlet import greenlet\n"
        "def fail(): raise ValueError\n"
        "def once():\n"
        "    a = spawn(sleep, 10); b = spawn(sleep, 0); c = spawn(fail); d = spawn(sleep, 5)\n"
        "    sleep(0); a.cancel(); a.join(); b.join(); d.cancel(); d.join(); c.done()\n"
        "    g = greenlet(lambda: get_hub().switch()); schedule_switch(g); sleep(0); schedule_switch(g, 1); sleep(0)\n"
        "import sys; sys.excepthook = lambda *a: None\n"
        "def rss(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for i in range(3000): once()\n"
        "gc.collect(); a = rss(); n = len(gc.get_objects())\n"
        "for i in range(20000): once()\n"
        "gc.collect(); print(rss() - a < 1500, len(gc.get_objects()) - n < 50, rss() - a, len(gc.get_objects()) - n)\n",
    )
    assert outcome.stdout.startswith("True True"), outcome


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


def test_task_outlives_its_loop_and_its_thread() -> None:
    outcome = run_script(
        "import gc, threading\nfrom gi.repository import GLib\nfrom gleenlet import *\n"
        "over = []\n"
        "def main(gate): spawn(gate.wait).add_done_callback(lambda t: over.append(print('went on'))); sleep(0)\n"
        "gate = Event(); run(main, gate); print('left'); gate.set()\n"
        "while not over: sleep(0)\n"
        "def thread():\n"
        "    c = GLib.MainContext.new(); c.push_thread_default(); run(main, Event()); c.pop_thread_default()\n"
        "t = threading.Thread(target=thread); t.start(); t.join(); gc.collect(); print('end')\n"
    )
    assert (outcome.status, outcome.stdout) == (0, "left\nwent on\nend\n"), outcome


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

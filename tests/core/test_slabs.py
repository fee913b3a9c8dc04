"""The allocator of stack chunks: each program in a child, as it is the process's."""

from __future__ import annotations

import sys

import pytest

from child import run_script

CROWD = """
import os, sys
from gleenlet import Event, get_hub, run, sleep, spawn
from gleenlet._core import _slabs

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

most = []
KEPT = sys.version_info >= (3, 14)  # a thread keeps a chunk of before, and gives it to the first who needs one

def deep(n, inside, end):
    if n:
        return deep(n - 1, inside, end)
    inside.append(None)
    end.wait()

def crowd(n, depth=0):
    inside, end = [], Event()
    tasks = [spawn(deep, depth, inside, end) for _ in range(n)]
    while len(inside) < n:
        sleep(0)
    there = _slabs.slabs(), *_slabs.chunks()
    most.append(resident())
    end.set()
    for task in tasks:
        task.join()
    return there
"""


def run_crowd(program: str, **env: str) -> str:
    # Coverage can be loaded into no subinterpreter, and costs a crowd minutes.
    outcome = run_script(CROWD + program, env=env, covered=False)
    assert (outcome.status, outcome.stderr) == (0, ""), outcome
    return outcome.stdout


def test_crowd_is_served_from_slabs_and_gives_them_back() -> None:
    program = """
slabs, large, small = run(crowd, 10_000)
assert small >= 10_000 and large < 100, (large, small)
assert small * _slabs.SMALL <= slabs * _slabs.SLAB
sleep(0)
large, small = _slabs.chunks()
assert small <= 1100, small                      # the pool's
assert _slabs.slabs() < slabs, _slabs.slabs()
print("gone")
"""
    assert run_crowd(program) == "gone\n"


def test_deep_tasks_get_more_chunks_and_give_them_back() -> None:
    program = """
slabs, large, small = run(crowd, 2_000, 40)
assert large >= 2_000 - KEPT and small >= 2_000, (large, small)
sleep(0)
assert _slabs.chunks()[0] < 10, _slabs.chunks()
assert _slabs.slabs() <= 3 + KEPT, _slabs.slabs()
print("gone")
"""
    assert run_crowd(program) == "gone\n"


def test_memory_of_a_crowd_is_given_back() -> None:
    program = """
run(crowd, 100)
before = resident()
run(crowd, 4_000, 100)
grown, left = most[-1] - before, resident() - before
assert grown > 48 << 20, grown
assert left < grown / 2, (left, grown)
print("small")
"""
    assert run_crowd(program) == "small\n"


@pytest.mark.parametrize("depth", [0, 4, 12, 30, 100, 900])
def test_every_depth_of_python_stack(depth: int) -> None:
    assert run_crowd(f"print(run(crowd, 50, {depth})[2] >= 50)") == "True\n"


def test_generators_exceptions_and_tracebacks_across_chunks() -> None:
    program = """
import traceback
def climb(n):
    if n == 0:
        sleep(0)
        raise ValueError("top")
    yield from climb(n - 1)
def task():
    try:
        list(climb(60))
    except ValueError as error:
        return len(traceback.extract_tb(error.__traceback__))
print(set(t.result() for t in [spawn(task) for _ in range(100)]))
"""
    assert run_crowd(program) == "{62}\n"


def test_switched_off_in_the_environment() -> None:
    assert run_crowd("print(run(crowd, 100), get_hub()._stack_chunk)", GLEENLET_SLABS="0") == "(0, 0, 0) 0\n"


def test_raw_greenlets_are_served_too() -> None:
    program = """
from greenlet import getcurrent, greenlet
get_hub()
main = getcurrent()
crowd = [greenlet(lambda: main.switch()) for _ in range(1_000)]
for one in crowd:
    one.switch()
assert _slabs.chunks()[0] >= 1_000 - KEPT
for one in crowd:
    one.switch()
print(_slabs.chunks()[0] < 10)
"""
    assert run_crowd(program) == "True\n"


def test_chunks_of_before_and_after_go_where_they_came_from() -> None:
    program = """
from greenlet import getcurrent, greenlet
main = getcurrent()
def start(n):
    greenlets = [greenlet(lambda: main.switch()) for _ in range(n)]
    for one in greenlets:
        one.switch()
    return greenlets
def finish(greenlets):
    for one in greenlets:
        one.switch()
early = start(300)
assert _slabs.chunks() == (0, 0)
get_hub()
served = start(300)
finish(early)
assert _slabs.chunks()[0] == 300, _slabs.chunks()
_slabs.stop()
late = start(300)
assert _slabs.chunks()[0] == 300, _slabs.chunks()
finish(served)
assert _slabs.chunks()[0] == 0
_slabs.install()
finish(late)
assert _slabs.chunks()[0] == 0
print(run(crowd, 100)[2] >= 100)
"""
    assert run_crowd(program) == "True\n"


@pytest.mark.parametrize("allocator", ["debug", "malloc", "malloc_debug", "pymalloc_debug"])
def test_with_other_allocators_of_python(allocator: str) -> None:
    assert run_crowd("print(run(crowd, 1_000, 20)[2] >= 1_000)", PYTHONMALLOC=allocator) == "True\n"


@pytest.mark.parametrize("when", ["before", "between"])
def test_with_tracemalloc(when: str) -> None:
    program = """
import tracemalloc
if "{when}" == "between":
    run(crowd, 300, 20)
tracemalloc.start(10)
run(crowd, 1_000, 20)
tracemalloc.take_snapshot()
tracemalloc.stop()
print(run(crowd, 300, 20)[2] >= 300)
""".replace("{when}", when)
    assert run_crowd(program) == "True\n"


def test_threads_share_them() -> None:
    program = """
import threading
from gi.repository import GLib
def thread():
    context = GLib.MainContext.new()
    context.push_thread_default()
    for _ in range(3):
        run(crowd, 300, 20)
    context.pop_thread_default()
threads = [threading.Thread(target=thread) for _ in range(4)]
for one in threads: one.start()
for one in threads: one.join()
print("done")
"""
    assert run_crowd(program) == "done\n"


def test_child_of_fork_has_them() -> None:
    program = """
run(crowd, 300)
pid = os.fork()
if not pid:
    from greenlet import getcurrent, greenlet
    main = getcurrent()
    crowd = [greenlet(lambda: main.switch()) for _ in range(300)]
    for one in crowd + crowd:
        one.switch()
    os._exit(0)
print(os.waitpid(pid, 0)[1])
"""
    assert run_crowd(program) == "0\n"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="_xxsubinterpreters was renamed")
def test_subinterpreters_beside_them() -> None:
    program = """
import _xxsubinterpreters as interpreters
run(crowd, 300)
for _ in range(5):
    one = interpreters.create()
    interpreters.run_string(one, "def f(n): return n and f(n - 1)\\nf(300)")
    interpreters.destroy(one)
print(run(crowd, 300)[2] >= 300)
"""
    assert run_crowd(program) == "True\n"

"""The allocator of stack chunks: each program in a child, as it is the process's."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import threading
import traceback
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from gi.repository import GLib
from greenlet import getcurrent, greenlet

from child import in_child
from gleenlet import Event, get_hub, run, sleep, spawn
from gleenlet._core import _slabs

KEPT = sys.version_info >= (3, 14)  # a thread keeps a chunk of before, and gives it to the first who needs one

# Coverage can be loaded into no subinterpreter, and costs a crowd minutes.
alone = functools.partial(in_child, covered=False, warns="")


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def deep(n: int, inside: list[None], end: Event) -> None:
    if n:
        return deep(n - 1, inside, end)
    inside.append(None)
    end.wait()


def crowd(n: int, depth: int = 0, most: list[int] | None = None) -> tuple[int, int, int]:
    """How many slabs, large and small chunks there are while `n` tasks wait, so deep in calls."""
    inside: list[None] = []
    end = Event()
    tasks = [spawn(deep, depth, inside, end) for _ in range(n)]
    while len(inside) < n:
        sleep(0)
    there = _slabs.slabs(), *_slabs.chunks()
    if most is not None:
        most.append(resident())
    end.set()
    for task in tasks:
        task.join()
    return there


def start(n: int) -> list[greenlet]:
    main = getcurrent()
    greenlets = [greenlet(lambda: main.switch()) for _ in range(n)]
    finish(greenlets)
    return greenlets


def finish(greenlets: list[greenlet]) -> None:
    for one in greenlets:
        one.switch()


@alone()
def test_crowd_is_served_from_slabs_and_gives_them_back() -> None:
    slabs, large, small = run(crowd, 10_000)
    assert small >= 10_000
    assert large < 100
    assert small * _slabs.SMALL <= slabs * _slabs.SLAB
    sleep(0)
    large, small = _slabs.chunks()
    assert small <= 1100, small  # the pool's
    assert _slabs.slabs() < slabs, _slabs.slabs()


@alone()
def test_deep_tasks_get_more_chunks_and_give_them_back() -> None:
    slabs, large, small = run(crowd, 2_000, 40)
    assert large >= 2_000 - KEPT
    assert small >= 2_000
    sleep(0)
    assert _slabs.chunks()[0] < 10, _slabs.chunks()
    assert _slabs.slabs() <= 3 + KEPT < slabs, _slabs.slabs()


@alone()
def test_memory_of_a_crowd_is_given_back() -> None:
    most: list[int] = []
    run(crowd, 100)
    before = resident()
    run(crowd, 4_000, 100, most)
    grown, left = most[-1] - before, resident() - before
    assert grown > 48 << 20, grown
    assert left < grown / 2, (left, grown)


@pytest.mark.parametrize("depth", [0, 4, 12, 30, 100, 900])
@alone()
def test_every_depth_of_python_stack(depth: int) -> None:
    assert run(crowd, 50, depth)[2] >= 50


@alone()
def test_generators_exceptions_and_tracebacks_across_chunks() -> None:
    def climb(n: int) -> Iterator[None]:
        if n == 0:
            sleep(0)
            raise ValueError("top")
        yield from climb(n - 1)

    def task() -> int:
        try:
            list(climb(60))
        except ValueError as error:
            return len(traceback.extract_tb(error.__traceback__))
        return 0

    assert {one.result() for one in [spawn(task) for _ in range(100)]} == {62}


@alone(env={"GLEENLET_SLABS": "0"})
def test_switched_off_in_the_environment() -> None:
    assert run(crowd, 100) == (0, 0, 0)
    assert get_hub()._stack_chunk == 0


@alone()
def test_raw_greenlets_are_served_too() -> None:
    get_hub()
    raw = start(1_000)
    assert _slabs.chunks()[0] >= 1_000 - KEPT
    finish(raw)
    assert _slabs.chunks()[0] < 10


@alone()
def test_chunks_of_before_and_after_go_where_they_came_from() -> None:
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
    assert run(crowd, 100)[2] >= 100


@pytest.mark.parametrize("allocator", ["debug", "malloc", "malloc_debug", "pymalloc_debug"])
def test_with_other_allocators_of_python(allocator: str) -> None:
    alone(env={"PYTHONMALLOC": allocator})(serves_a_crowd)()


def serves_a_crowd() -> None:
    assert run(crowd, 1_000, 20)[2] >= 1_000


@pytest.mark.parametrize("between", [False, True])
@alone()
def test_with_tracemalloc(between: bool) -> None:
    if between:
        run(crowd, 300, 20)
    tracemalloc.start(10)
    run(crowd, 1_000, 20)
    tracemalloc.take_snapshot()
    tracemalloc.stop()
    assert run(crowd, 300, 20)[2] >= 300


@alone()
def test_threads_share_the_slabs() -> None:
    def thread() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        for _ in range(3):
            run(crowd, 300, 20)
        context.pop_thread_default()

    threads = [threading.Thread(target=thread) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


@alone()
def test_child_of_fork_has_them() -> None:
    run(crowd, 300)
    pid = os.fork()
    if not pid:
        finish(start(300))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="_xxsubinterpreters was renamed")
@alone()
def test_subinterpreters_work_beside_the_slabs() -> None:
    interpreters: Any = importlib.import_module("_xxsubinterpreters")
    run(crowd, 300)
    for _ in range(5):
        one = interpreters.create()
        interpreters.run_string(one, "def f(n): return n and f(n - 1)\nf(300)")
        interpreters.destroy(one)
    assert run(crowd, 300)[2] >= 300

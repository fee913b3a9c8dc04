"""Forks under a wait at top level, and what groups, limits, iterations and failures become in the child."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest
from gi.repository import Gio, GLib
from greenlet import greenlet

import gleenlet
from child import in_child
from descriptors import take_all_descriptors
from gleenlet import get_hub, move_on_after, run, sleep, spawn, to_thread, wait_child
from gleenlet._core._native import PLATFORM
from other_threads import with_context


@in_child()
@pytest.mark.parametrize("wait", ["sleep", "Event.wait", "Queue.get", "wait", "as_completed", "wait_signal"])
def test_a_wait_at_top_level_is_an_error_in_a_forked_child_once_the_task_that_forked_has_ended(wait: str) -> None:
    parent = os.getpid()
    left: list[str] = []

    def forks() -> None:
        sleep(0.001)
        pid = os.fork()
        if pid:
            assert wait_child(pid) == 3
        else:
            sleep(0.001)
            left.append("task")

    others = [spawn(sleep, 0.02)]
    action = Gio.SimpleAction.new("x", None)
    spawn(forks)
    event: gleenlet.Event = gleenlet.Event()
    queue: gleenlet.Queue[int] = gleenlet.Queue()
    get_hub().call_later(0.02, event.set)
    get_hub().call_later(0.02, queue.put_nowait, 1)
    get_hub().call_later(0.02, action.activate, None)
    waits: dict[str, Callable[[], object]] = {
        "sleep": lambda: sleep(0.02),
        "Event.wait": event.wait,
        "Queue.get": queue.get,
        "wait": lambda: gleenlet.wait(others),
        "as_completed": lambda: list(gleenlet.as_completed(others)),
        "wait_signal": lambda: gleenlet.wait_signal(action, "activate"),
    }
    try:
        waits[wait]()
    except gleenlet.GleenletError as error:
        text = str(error)
        if os.getpid() == parent or "forked off while the loop ran for a wait at top level" not in text:
            raise
        assert left == ["task"]
        gleenlet.run(sleep, 0.001)  # a loop of its own works
        os._exit(3)
    assert os.getpid() == parent
    while get_hub().tasks():
        sleep(0.001)


@in_child()
def test_a_fork_in_a_callback_ends_the_wait_at_top_level_at_once() -> None:
    statuses: list[int] = []
    parent = os.getpid()

    def forks() -> None:
        pid = os.fork()
        if pid:
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    GLib.idle_add(forks)
    try:
        sleep(0.01)
    except gleenlet.GleenletError:
        os._exit(3 if os.getpid() != parent else 4)
    assert statuses == [3]


@in_child()
def test_a_yield_at_top_level_ends_in_a_forked_child_too() -> None:
    parent = os.getpid()

    def forks() -> None:
        if pid := os.fork():
            assert os.waitpid(pid, 0)[1] == 0

    spawn(forks)
    sleep(0)
    if os.getpid() != parent:
        os._exit(0)


@in_child()
def test_what_a_forked_child_does_itself_ends_a_wait_at_top_level() -> None:
    event = gleenlet.Event()
    parent = os.getpid()
    statuses: list[int] = []

    def forks() -> None:
        pid = os.fork()
        if pid:
            statuses.append(wait_child(pid))
        event.set()

    task = spawn(forks)
    event.wait()
    if os.getpid() != parent:
        os._exit(3)
    assert statuses == [3]
    task.join()


@in_child()
def test_a_groups_tasks_are_cancelled_in_a_forked_child_that_goes_on_in_its_block() -> None:
    def main() -> None:
        with gleenlet.TaskGroup() as group:
            task = group.spawn(sleep, 0.01)
            pid = os.fork()
        if not pid:
            os._exit(3 if task.cancelled() else 4)
        assert task.result() is None
        assert wait_child(pid) == 3

    run(main)


@in_child()
@pytest.mark.parametrize("limit", ["timeout", "move_on_after"])
@pytest.mark.parametrize("due", [False, True])
def test_a_limit_of_the_task_that_forked_counts_in_the_child_and_no_other_does(limit: str, due: bool) -> None:
    ran: list[str] = []

    def bystander() -> None:
        with gleenlet.timeout(1000):
            sleep(1000)

    def main() -> None:
        other = spawn(bystander)
        sleep(0)
        get_hub().call_soon(ran.append, "the parent's")
        get_hub().call_later(0, ran.append, "the parent's")
        try:
            with getattr(gleenlet, limit)(0 if due else 0.01) as block:
                pid = os.fork()
                sleep(1000)
        except TimeoutError:
            assert limit == "timeout"
        assert block.expired()
        if not pid:
            sleep(0.001)
            os._exit(3 if other.cancelled() and not ran and not get_hub()._timers else 4)
        assert wait_child(pid) == 3
        assert len(ran) == 2
        other.cancel()

    run(main)


@in_child()
def test_a_limit_at_top_level_counts_in_a_child_that_is_forked_there() -> None:
    with gleenlet.move_on_after(0.01) as block:
        pid = os.fork()
        sleep(1000)
    assert block.expired()
    if not pid:
        os._exit(3)
    assert wait_child(pid) == 3


@in_child()
def test_an_iteration_over_tasks_goes_on_in_the_child_where_those_of_the_parent_are_cancelled() -> None:
    def main() -> None:
        tasks = [spawn(int), spawn(sleep, 1000), spawn(sleep, 1000)]
        ended = gleenlet.as_completed(tasks)
        assert next(ended) is tasks[0]
        pid = os.fork()
        if not pid:
            mine = spawn(int)
            assert mine.result() == 0
            left = list(ended)
            os._exit(3 if set(left) == set(tasks[1:]) and all(task.cancelled() for task in left) else 4)
        assert wait_child(pid) == 3
        for task in tasks:
            task.cancel()
        assert set(ended) == set(tasks[1:])

    run(main)


@in_child()
def test_a_top_level_iteration_goes_on_with_what_the_task_that_forked_was() -> None:
    parent = os.getpid()
    statuses: list[int] = []

    def forks() -> None:
        pid = os.fork()
        if pid:
            statuses.append(wait_child(pid))
            other.cancel()

    other, forker = spawn(sleep, 1000), spawn(forks)
    assert list(gleenlet.as_completed([other, forker])) == [forker, other]
    assert other.cancelled()
    if os.getpid() != parent:
        os._exit(3)
    assert statuses == [3]


@in_child()
def test_the_child_of_a_worker_thread_has_a_loop_though_the_application_runs_in_another() -> None:
    def forks() -> int:
        pid = os.fork()
        if not pid:
            sleep(0.001)
            os._exit(run(lambda: spawn(lambda: 3).result()))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert run(gleenlet.to_thread, forks) == 3


@in_child(warns="...ZeroDivisionError...")
def test_a_failure_of_the_task_that_forked_is_reported_in_the_child() -> None:
    def forks() -> None:
        pid = os.fork()
        if not pid:
            raise ZeroDivisionError
        assert wait_child(pid) == 3

    spawn(forks)
    parent = os.getpid()
    try:
        sleep(0.01)
    except gleenlet.GleenletError:
        os._exit(3)
    while get_hub().tasks():
        sleep(0.001)
    assert os.getpid() == parent


@in_child()
def test_a_loop_that_began_while_signals_woke_a_task_ends_in_a_forked_child() -> None:
    task = spawn(gleenlet.wait_unix_signal, signal.SIGUSR1)
    sleep(0)
    loop = GLib.MainLoop()

    def forks() -> bool:
        pid = os.fork()
        if pid:
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        loop.quit()
        return False

    statuses: list[int] = []
    parent = os.getpid()
    GLib.idle_add(forks)
    try:
        loop.run()  # which sets the descriptor for signals, and puts back what was set before
    finally:
        if os.getpid() != parent:
            os._exit(3 if sys.exc_info()[0] is None else 4)
    task.cancel()
    task.join()
    assert statuses == [3]


# ---- a fork in a task ----


@pytest.mark.skipif(PLATFORM == "plain", reason="what GLib is woken by there is not known")
@in_child()
@pytest.mark.parametrize("free", [True, False])
def test_a_forked_child_takes_none_of_its_parents_wake_ups(free: bool) -> None:
    def main() -> None:
        reader, writer = os.pipe()
        taken = [] if free else take_all_descriptors()
        pid = os.fork()
        for fd in taken:
            os.close(fd)
        if not pid:
            os.close(writer)
            while not os.get_blocking(reader) or not is_over(reader):
                sleep(0.001)  # polls the same context as the parent
            os._exit(0)
        for number in range(300):
            with move_on_after(60) as limit:
                to_thread(int)
            assert not limit.expired(), number
        os.close(writer)
        assert wait_child(pid) == 0

    run(main)


def is_over(reader: int) -> bool:
    import select

    return bool(select.select([reader], [], [], 0)[0])


@in_child()
def test_a_forked_childs_hub_holds_the_task_that_forked_and_nothing_else() -> None:
    ran: list[int] = []

    def parent_only() -> None:
        sleep(0.005)
        ran.append(1)

    def main() -> None:
        task = spawn(parent_only)
        called = get_hub().call_later(0.005, ran.append, 2)
        sleep(0)
        new = spawn(ran.append, 3)
        pid = os.fork()
        if not pid:
            assert get_hub().tasks() == [gleenlet.current_task()]
            had_run = list(ran)  # on a slow machine, in the parent
            sleep(0.02)
            assert ran == had_run
            assert task.join()
            assert new.cancelled()
            assert spawn(int).result() == 0
            # Elsewhere the parent may take the thread's wake-up: what GLib is woken by is not known there.
            assert PLATFORM == "plain" or to_thread(int) == 0
            os._exit(0)
        assert wait_child(pid) == 0
        assert task.join()
        assert sorted(ran) == [1, 2, 3]
        assert called.when()

    run(main)


@in_child()
def test_a_forked_child_of_a_thread_forgets_the_others_hubs() -> None:
    gate = threading.Event()
    ready = threading.Event()

    def other() -> None:
        def main() -> None:
            ready.set()
            while not gate.is_set():
                sleep(0.001)

        with_context(lambda: run(main))

    thread = threading.Thread(target=other)
    thread.start()
    ready.wait()
    pid = os.fork()
    if not pid:
        run(sleep, 0.001)
        os._exit(0)
    assert wait_child(pid) == 0
    gate.set()
    thread.join()


@in_child()
def test_a_child_forked_in_a_task_goes_on_when_what_drove_the_loop_is_gone() -> None:
    statuses: list[int] = []

    def forks() -> None:
        pid = os.fork()
        if not pid:
            sleep(0.001)  # run() below waits for a task that is none of this process
            os._exit(3)
        statuses.append(wait_child(pid))

    def main() -> None:
        spawn(forks).join()

    run(main)
    assert statuses == [3]


@in_child()
def test_a_forked_childs_task_resumes_nothing_of_its_parents() -> None:
    statuses: list[int] = []
    parent = os.getpid()
    event, lock = gleenlet.Event(), gleenlet.Lock()

    def waits(wait: Callable[[], object]) -> None:
        wait()
        if os.getpid() != parent:
            os._exit(1)

    def forks() -> None:
        lock.acquire()
        sleep(0.001)
        pid = os.fork()
        event.set()
        lock.release()
        sleep(0.001)
        if pid:
            statuses.append(wait_child(pid))

    def main() -> None:
        task = spawn(forks)
        greenlet(lambda: waits(event.wait)).switch()
        for wait in (event.wait, lock.acquire, task.join):
            spawn(waits, wait)
        waits(task.join)

    try:
        run(main)
    except gleenlet.Cancelled:
        os._exit(3 if os.getpid() != parent else 4)
    assert statuses == [3]


@in_child()
def test_what_drives_a_forked_childs_loop_ends_with_the_task_that_forked() -> None:
    statuses: list[int] = []

    def forks() -> None:
        pid = os.fork()
        sleep(0.001)
        if pid:
            statuses.append(wait_child(pid))

    parent = os.getpid()
    try:
        run(lambda: spawn(forks).join())
    except gleenlet.Cancelled:
        os._exit(4 if os.getpid() != parent else 5)
    assert statuses == [4]

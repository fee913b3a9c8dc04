"""Ends: of threads, contexts, greenlets, collections and hubs. Nothing dies badly, nothing is left behind."""

from __future__ import annotations

import contextvars
import ctypes
import gc
import os
import threading
import time
import weakref
from typing import Any

import greenlet as greenlets
import pytest
from gi.repository import GLib
from greenlet import getcurrent, greenlet
from greenlet._greenlet import get_pending_cleanup_count

import gleenlet
from child import in_child
from gleenlet import (
    Event,
    GleenletError,
    Hub,
    Lock,
    Task,
    TaskGroup,
    from_thread,
    get_hub,
    move_on_after,
    run,
    schedule_switch,
    shield,
    sleep,
    spawn,
    timeout,
    to_thread,
)
from gleenlet._core import all_hubs
from other_threads import in_thread, with_context


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


# ---- threads ----


@in_child()
@pytest.mark.parametrize("context", [True, False], ids=["own context", "no context"])
def test_a_thread_that_ends_with_tasks_leaves_nothing(context: bool) -> None:
    hubs: list[Hub] = []
    tasks: list[weakref.ref[Task[Any]]] = []

    def work() -> None:
        hubs.append(get_hub())
        hubs[-1].call_later(1000, print, "never")
        event, lock = Event(), Lock()
        lock.acquire()
        raw = greenlet(get_hub().switch)
        schedule_switch(raw)
        waiting = [spawn(sleep, 1000), spawn(event.wait), spawn(lock.acquire), spawn(int)]
        tasks.extend(weakref.ref(task) for task in waiting)
        sleep(0.001)
        tasks.append(weakref.ref(spawn(int, name="never begun")))
        hubs[-1].call_soon(print, "never")

    main = (lambda: with_context(work)) if context else work
    for _ in range(5):
        in_thread(main)
    before = descriptors()
    for _ in range(50):
        in_thread(main)
        with pytest.raises(GleenletError, match="closed"):
            hubs[-1].call_soon_threadsafe(print, "never")
        with pytest.raises(GleenletError, match="closed"):
            hubs[-1].wakeup()
        assert hubs[-1].closed
        assert hubs[-1].tasks() == []
    hubs.clear()
    assert descriptors() <= before + 2
    assert [task for task in tasks if task() is not None] == []


@in_child()
def test_abandoned_tasks_are_dropped_as_greenlet_drops_them_and_not_cancelled() -> None:
    log: list[str] = []

    def work() -> None:
        try:
            sleep(1000)
        except gleenlet.Cancelled:
            log.append("cancelled")
        finally:
            log.append("dropped")
            try:
                sleep(0)
            except GleenletError:
                log.append("no loop any more")

    def thread() -> None:
        spawn(work).add_done_callback(lambda _: log.append("told"))
        sleep(0.001)

    in_thread(lambda: with_context(thread))
    assert log == ["dropped", "no loop any more"]


def test_who_asks_for_an_abandoned_task_finds_it_cancelled() -> None:
    tasks: list[Task[None]] = []

    def thread() -> None:
        tasks.append(spawn(sleep, 1000))
        sleep(0)

    in_thread(lambda: with_context(thread))
    for ask in tasks[0].result, tasks[0].exception:
        with pytest.raises(gleenlet.Cancelled) as raised:
            ask()
        assert isinstance(raised.value.__cause__, greenlets.GreenletExit)


@in_child(warns="")
def test_blocks_of_abandoned_tasks_are_left_without_a_word() -> None:
    def limited() -> None:
        with timeout(1000), move_on_after(1000), shield(), timeout(1000):
            sleep(1000)

    def grouped() -> None:
        with TaskGroup() as group:
            group.spawn(sleep, 1000)
            sleep(1000)

    def waits_for_its_group() -> None:
        with TaskGroup() as group:
            group.spawn(sleep, 1000)

    def thread() -> None:
        for func in limited, grouped, waits_for_its_group:
            spawn(func)
        for _ in range(3):
            sleep(0)

    in_thread(thread)
    in_thread(lambda: with_context(thread))


@in_child()
@pytest.mark.parametrize("late", ["local", "context variable"])
def test_what_goes_with_its_thread_after_the_hub_gets_no_new_one(late: str) -> None:
    local, variable = threading.local(), contextvars.ContextVar[object]("variable")
    get_hub()  # a thread's variables may go later and in another thread, this one, which has a loop
    hubs = set(all_hubs())
    log: list[str] = []

    class Late:
        def __del__(self) -> None:
            try:
                spawn(sleep, 1000)
            except GleenletError as error:
                log.append(str(error))

    def thread() -> None:
        spawn(int).join()
        if late == "local":
            local.late = Late()
        else:
            variable.set(Late())

    for _ in range(2):  # the next one may have the same identifier
        in_thread(thread)
        assert set(all_hubs()) == hubs
    assert all("this thread is ending" in text for text in log), log


@in_child()
def test_a_task_that_refuses_to_end_does_not_hold_its_thread_back() -> None:
    def stubborn() -> None:
        while True:
            try:
                getcurrent().parent.switch()  # type: ignore[union-attr]
            except BaseException:
                pass

    def thread() -> None:
        spawn(stubborn)
        sleep(0.001)

    in_thread(lambda: with_context(thread))


@in_child()
def test_another_thread_with_the_same_identifier_is_another_thread() -> None:
    hubs: list[Hub] = []
    called: list[int] = []
    identifiers: list[int] = []

    def leave_a_task() -> None:
        hubs.append(get_hub())
        identifiers.append(threading.get_ident())
        spawn(sleep, 1000)
        sleep(0.001)

    def use() -> None:
        identifiers.append(threading.get_ident())
        for hub in hubs:
            for call in (hub.call_soon, hub.call_soon_threadsafe):
                with pytest.raises(GleenletError, match="closed"):
                    call(called.append, 1)
            with pytest.raises(GleenletError, match="closed"):
                hub.call_later(0, called.append, 1)
        sleep(0.001)

    for _ in range(10):
        in_thread(leave_a_task)
        in_thread(use)
    assert len(set(identifiers)) < len(identifiers)  # they were used again
    assert called == []


@in_child(env={"PYTHONMALLOC": "debug"})
def test_a_thread_that_ends_during_a_collection_takes_nothing_that_this_visits() -> None:
    made: list[greenlet] = []
    begun, go = threading.Event(), threading.Event()

    def thread() -> None:
        made.append(greenlet(print))  # its parent is this thread's main greenlet
        begun.set()
        go.wait()

    class Cycle:
        def __init__(self) -> None:
            self.itself, self.greenlet = self, made.pop()

        def __del__(self) -> None:
            go.set()
            while os.path.exists(f"/proc/self/task/{worker.native_id}"):
                time.sleep(0.001)
            while get_pending_cleanup_count():
                time.sleep(0.001)

    get_hub()  # gleenlet is there
    worker = threading.Thread(target=thread)
    worker.start()
    begun.wait()
    Cycle()
    assert gc.collect()


@in_child()
@pytest.mark.parametrize("begun", [True, False])
def test_from_thread_to_a_thread_that_ends_says_so(begun: bool) -> None:
    answers: list[object] = []
    called, over, answered = threading.Event(), threading.Event(), threading.Event()

    def late() -> None:
        called.set()
        if not begun:
            over.wait()
        try:
            answers.append(from_thread(sleep, 1000))
        except BaseException as error:
            answers.append(error)
        answered.set()

    def thread() -> None:
        spawn(to_thread, late)
        # A call that no thread has taken up yet when its hub ends is never begun.
        while not called.is_set() or (begun and len(get_hub().tasks()) < 2):
            sleep(0.001)

    in_thread(lambda: with_context(thread))
    over.set()
    assert answered.wait(60)
    assert isinstance(answers[0], GleenletError), answers


@in_child(env={"PYTHONMALLOC": "debug"})
def test_hubs_come_and_go_while_another_threads_loop_looks_at_their_sources() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    loop = GLib.MainLoop()
    rounds = 100

    def hub(barrier: threading.Barrier) -> None:
        get_hub()
        barrier.wait()

    def spawner() -> None:
        for _ in range(rounds):
            barrier = threading.Barrier(10)
            threads = [threading.Thread(target=hub, args=(barrier,)) for _ in range(10)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
        loop.quit()

    GLib.idle_add(threading.Thread(target=spawner).start)  # which quits a loop that runs
    # True, so it is called again and again: a busy source in C, as GTK and GStreamer have them.
    ctypes.CDLL("libglib-2.0.so.0").g_idle_add(ctypes.CDLL(None).getpid, None)
    loop.run()


# ---- contexts ----


def refuses_all_use(hub: Hub) -> None:
    """With the true reason, also in another thread than its own."""
    for use in (
        hub.check_thread,
        hub.switch,
        hub.wakeup,
        lambda: hub.call_soon(print),
        lambda: hub.call_soon_threadsafe(print),
        lambda: hub.call_later(0, print),
        lambda: hub.call_at(0, print),
        lambda: hub.watch(0, print),
    ):
        with pytest.raises(GleenletError, match="closed"):
            use()


def test_a_hub_that_ended_with_its_thread_refuses_all_use() -> None:
    ended: list[Hub] = []
    in_thread(lambda: ended.append(get_hub()))
    refuses_all_use(ended[0])


def test_a_greenlet_is_suspended_in_no_hub_but_its_threads() -> None:
    hubs: list[Hub] = []
    ready, go_on = threading.Event(), threading.Event()

    def waits() -> None:
        hubs.append(get_hub())
        ready.set()
        go_on.wait()

    thread = threading.Thread(target=waits)
    thread.start()
    ready.wait()
    with pytest.raises(GleenletError, match="another thread"):
        hubs[0].switch()
    go_on.set()
    thread.join()


@in_child()
def test_contexts_that_come_and_go_leave_nothing() -> None:
    def once() -> None:
        with_context(lambda: run(sleep, 0.0001))

    for _ in range(5):
        once()
    before = descriptors()
    for _ in range(300):
        once()
    assert descriptors() <= before + 2


@in_child()
def test_a_hub_ends_with_its_context() -> None:
    ended: list[Hub] = []
    log: list[str] = []

    def wait() -> None:
        try:
            sleep(1000)
        finally:
            log.append("dropped")

    def leave_a_task() -> None:
        ended.append(get_hub())
        spawn(wait)
        sleep(0.001)

    with_context(leave_a_task)
    assert log == ["dropped"]
    assert ended[0].closed
    refuses_all_use(ended[0])
    run(sleep, 0)  # this thread's other hub goes on
    assert not get_hub().closed


@in_child()
def test_a_context_whose_last_owner_is_another_thread_ends_too() -> None:
    kept: list[Any] = []
    hubs: list[Hub] = []
    let_go = threading.Event()
    ready = threading.Event()

    def owner() -> None:
        context = GLib.MainContext.new()
        kept.append(context)
        context.push_thread_default()
        hubs.append(get_hub())
        spawn(sleep, 1000)
        sleep(0.001)
        context.pop_thread_default()
        del context
        ready.set()
        let_go.wait()
        assert hubs[0].closed
        with_context(lambda: run(sleep, 0))  # what is left of the other goes now

    thread = threading.Thread(target=owner)
    thread.start()
    ready.wait()
    kept.clear()
    gc.collect()
    let_go.set()
    thread.join()
    assert hubs[0].tasks() == []


# ---- hubs ----


@in_child()
def test_a_hub_that_was_not_initialized_refuses_everything() -> None:
    class Own(Hub):
        def __init__(self) -> None:
            pass

    hub = Own()
    assert hub.closed
    assert hub.tasks() == []
    for call, args in (
        (hub.call_soon, (print,)),
        (hub.call_soon_threadsafe, (print,)),
        (hub.call_later, (1, print)),
        (hub.wakeup, ()),
    ):
        with pytest.raises(GleenletError, match="not initialized"):
            call(*args)
    del call, hub
    run(sleep, 0)


def test_a_hub_is_initialized_once() -> None:
    with pytest.raises(GleenletError, match="made before"):
        get_hub().__init__()  # type: ignore[misc]
    assert spawn(int).result() == 0


@in_child(warns="...too late\n(in <Task 'fails_late-1' failed>)...too late\n(in <Task 'fails_late-2' failed>)\n")
def test_a_task_that_fails_while_it_is_abandoned_is_reported_once_though_somebody_holds_it() -> None:
    told: list[Any] = []

    def body() -> None:
        context = GLib.MainContext()
        context.push_thread_default()
        run(main)
        context.pop_thread_default()

    def main() -> None:
        told.extend([spawn(fails_late), spawn(fails_late)])
        told[1].add_done_callback(print)
        sleep(0.001)

    def fails_late() -> None:
        try:
            sleep(1000)
        finally:
            raise ValueError("too late")

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert [type(task.exception()) for task in told] == [ValueError, ValueError]
    del told[:]
    gc.collect()

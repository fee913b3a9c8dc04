"""Ends: of threads, contexts, greenlets, collections and hubs. Nothing dies badly, nothing is left behind."""

from __future__ import annotations

import contextvars
import ctypes
import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import greenlet as greenlets
import pytest
from gi.repository import GLib
from greenlet import getcurrent, greenlet
from greenlet._greenlet import get_pending_cleanup_count

import gleenlet
from child import in_child
from descriptors import take_all_descriptors
from gleenlet import (
    Event,
    GleenletError,
    Hub,
    Lock,
    Task,
    TaskGroup,
    UnsafeSwitchError,
    from_thread,
    get_hub,
    move_on_after,
    run,
    schedule_switch,
    schedule_throw,
    shield,
    sleep,
    spawn,
    timeout,
    to_thread,
    wait_child,
    wait_signal,
)
from gleenlet._core import all_hubs
from gleenlet._core._native import PLATFORM
from gleenlet._glib import children


def in_thread(func: Callable[..., object], *args: object) -> None:
    thread = threading.Thread(target=func, args=args)
    thread.start()
    thread.join()


def with_context(func: Callable[..., object], *args: object) -> None:
    context = GLib.MainContext.new()
    context.push_thread_default()
    try:
        func(*args)
    finally:
        context.pop_thread_default()


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


# ---- the garbage collector ----


class Node:
    """A cycle whose `__del__` does something."""

    def __init__(self, finalize: Callable[[], object]) -> None:
        self.me = self
        self.finalize = finalize

    def __del__(self) -> None:
        self.finalize()


FINALIZERS: list[Callable[[], object]] = [
    lambda: sleep(0.001),
    lambda: sleep(0),
    lambda: spawn(int).result(),
    lambda: Event().wait(),
    lambda: get_hub().switch(),
    lambda: wait_signal(GLibObject(), "notify"),
]


def GLibObject() -> Any:
    from gi.repository import GObject

    return GObject.Object()


@in_child()
@pytest.mark.parametrize("number", range(len(FINALIZERS)))
@pytest.mark.parametrize("place", ["task", "top level"])
def test_a_wait_in_a_finalizer_that_the_collector_runs_is_refused(number: int, place: str) -> None:
    gc.disable()
    errors: list[BaseException | None] = []
    sys.unraisablehook = lambda what: errors.append(what.exc_value)

    def collect() -> None:
        for _ in range(20):
            nodes = [Node(FINALIZERS[number]) for _ in range(10)]
            del nodes
            gc.collect()

    if place == "task":
        run(collect)
    else:
        collect()
    assert len(errors) == 200
    assert {type(error) for error in errors} == {UnsafeSwitchError}
    assert "garbage collector" in str(errors[0])
    run(sleep, 0)


@in_child()
def test_a_wait_in_a_weak_references_callback_of_a_collection_is_refused() -> None:
    errors: list[type[BaseException]] = []
    sys.unraisablehook = lambda what: errors.append(what.exc_type)

    class Thing:
        pass

    def main() -> None:
        thing: Any = Thing()
        thing.me = thing
        reference = weakref.ref(thing, lambda _: sleep(0.001))
        del thing
        gc.collect()
        assert reference() is None

    run(main)
    assert errors == [UnsafeSwitchError]


@in_child()
def test_a_wait_in_a_finalizer_that_the_reference_count_runs_waits() -> None:
    went_on: list[int] = []

    def main() -> None:
        node = Node(lambda: sleep(0.001) or went_on.append(1))
        del node.me
        del node

    run(main)
    assert went_on == [1]


@in_child()
def test_other_threads_wait_while_one_collects() -> None:
    gc.disable()
    inside, slept = threading.Event(), threading.Event()

    def finalize() -> None:
        inside.set()
        assert slept.wait(30)

    def collect() -> None:
        Node(finalize)
        gc.collect()

    thread = threading.Thread(target=collect)
    thread.start()
    assert inside.wait(30)
    run(sleep, 0.001)  # the other thread's collection is not on this stack
    slept.set()
    thread.join()


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


# ---- greenlets ----


@in_child()
def test_cancel_reaches_a_task_after_another_greenlets_wait_on_its_account() -> None:
    """A raw greenlet works for the task that made it; here their waits overlap, and end in the order they began."""
    consumer: list[greenlet] = []

    def producer() -> None:
        waits[0].wait()
        consumer[0].switch("an item")

    def maker() -> None:
        raws.append(greenlet(producer))
        waits[1].wait()
        sleep(1000)

    def consume() -> object:
        consumer.append(getcurrent())
        return raws[0].switch()

    def main() -> None:
        task = spawn(maker)
        sleep(0)
        other = spawn(consume)
        sleep(0)
        waits[1].set()
        sleep(0)
        waits[0].set()
        assert other.result() == "an item"
        task.cancel()
        assert task.join()
        assert task.cancelled()

    raws: list[greenlet] = []
    waits = [Event(), Event()]
    run(main)


@in_child()
def test_a_raw_greenlets_wait_may_outlive_its_task() -> None:
    def main() -> None:
        raws: list[greenlet] = []
        event = Event()

        def work() -> None:
            raws.append(greenlet(event.wait))
            get_hub().call_soon(raws[0].switch)

        task = spawn(work)
        task.join()
        del task
        sleep(0.001)
        gc.collect()
        event.set()
        sleep(0.001)
        assert raws[0].dead

    run(main)


@in_child()
@pytest.mark.parametrize("children", [0, 1, 3])
def test_a_task_that_yields_by_hand_after_a_childs_wait_goes_on(children: int) -> None:
    def nested(depth: int) -> None:
        if depth:
            greenlet(nested).switch(depth - 1)
        else:
            sleep(0.001)

    def work() -> str:
        nested(children)
        getcurrent().parent.switch()  # type: ignore[union-attr]
        return "went on"

    assert run(lambda: spawn(work).result()) == "went on"


@in_child()
def test_a_task_that_yields_by_hand_goes_on_while_another_greenlet_of_its_waits() -> None:
    raws: list[greenlet] = []
    started = Event()

    def work() -> str:
        raws.append(greenlet(Event().wait))  # a greenlet of this task, as its parent says, whoever starts it
        started.wait()
        getcurrent().parent.switch()  # type: ignore[union-attr]
        return "went on"

    def main() -> str:
        task = spawn(work)
        sleep(0)
        spawn(lambda: raws[0].switch())
        sleep(0)
        started.set()
        return task.result()

    assert run(main) == "went on"


@in_child()
@pytest.mark.parametrize("born_in", ["outer", "inner"])
@pytest.mark.parametrize("ends_in", ["outer", "inner"])
def test_the_end_of_a_greenlet_goes_to_the_loop_that_resumed_it(born_in: str, ends_in: str) -> None:
    log: list[str] = []
    again = Event()

    def turn(*scheduled: greenlet) -> None:
        loop = GLib.MainLoop()
        for one in scheduled:
            schedule_switch(one)
        GLib.timeout_add(5, loop.quit)
        loop.run()

    def body() -> None:
        get_hub().switch()
        log.append("ends")

    def inner() -> None:
        for _ in range((born_in == "inner") + (ends_in == "inner")):
            turn(ends)
        log.append("inner loop ended")
        again.wait()
        log.append("inner waited")

    ends = greenlet(body)
    if born_in == "outer":
        turn(ends)
    raw = greenlet(inner)
    GLib.idle_add(lambda: bool(raw.switch()))
    turn()
    if ends_in == "outer":
        turn(ends)
    again.set()
    turn()
    assert sorted(log) == ["ends", "inner loop ended", "inner waited"]


@in_child()
@pytest.mark.parametrize("outcome", ["throw", "switch", "both"])
def test_a_held_greenlet_that_gets_an_outcome_takes_no_tasks_along(outcome: str) -> None:
    ran: list[int] = []
    got: list[object] = []

    def body() -> None:
        try:
            got.append(get_hub().switch())
        except ValueError as error:
            got.append(str(error))

    def start() -> None:
        raws.append(greenlet(body))
        raws[0].switch()  # in a plain callback, so it begins above a nested loop's frames

    def nested() -> None:
        loop = GLib.MainLoop()
        schedule_switch(raws[0], "at first")
        GLib.timeout_add(5, fill, loop)
        loop.run()

    def fill(loop: GLib.MainLoop) -> None:
        if outcome != "switch":
            schedule_throw(raws[0], ValueError("meanwhile"))
        if outcome == "both":
            schedule_throw(raws[0], ValueError("at last"))
        for i in range(20):
            spawn(ran.append, i)
        loop.quit()

    raws: list[greenlet] = []
    outer = GLib.MainLoop()
    get_hub().call_soon(start)
    get_hub().call_later(0.002, nested)

    def look() -> bool:
        if len(ran) < 20 or not got:
            return True
        outer.quit()
        return False

    GLib.timeout_add(1, look)
    outer.run()
    assert got == [{"throw": "meanwhile", "switch": "at first", "both": "at last"}[outcome]]
    assert ran == list(range(20))


@in_child()
@pytest.mark.parametrize("idle", [0, 3])
def test_a_trace_function_that_raises_at_a_tasks_start_loses_no_task(idle: int) -> None:
    known: set[object] = set()
    armed: list[int] = []

    def trace(_event: str, args: Any) -> None:
        if armed and args[1] not in exempt:
            armed.clear()
            raise ValueError("in the trace function")
        known.update(args)

    def main() -> None:
        exempt.extend([getcurrent(), get_hub().home])
        for task in [spawn(sleep, 0) for _ in range(idle)]:
            task.join()
        armed.append(1)
        greenlets.settrace(trace)
        failed = spawn(int)
        assert isinstance(failed.exception(), ValueError)
        assert spawn(int).result() == 0

    exempt: list[object] = []
    run(main)
    greenlets.settrace(None)
    assert not armed
    assert get_hub().tasks() == []


# ---- forks ----


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


# ---- children ----


@in_child()
def test_threads_that_wait_for_one_child_all_get_its_status() -> None:
    statuses: list[int] = []

    def wait(pid: int, barrier: threading.Barrier) -> None:
        def main() -> None:
            get_hub()
            barrier.wait()
            statuses.append(wait_child(pid))

        with_context(main)

    for _ in range(10):
        reader, writer = os.pipe()
        stdin = [(os.POSIX_SPAWN_DUP2, reader, 0)]
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", "read line; exit 3"], os.environ, file_actions=stdin)
        barrier = threading.Barrier(8)
        threads = [threading.Thread(target=wait, args=(pid, barrier)) for _ in range(8)]
        for one in threads:
            one.start()
        while pid not in children.children or children.children[pid].waiting < len(threads):
            time.sleep(0.001)
        os.write(writer, b"end\n")
        for one in threads:
            one.join()
        os.close(reader)
        os.close(writer)
    assert statuses == [3] * 80


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

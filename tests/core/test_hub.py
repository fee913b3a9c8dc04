"""The hub: who drives it, order and priorities, threads, calls and their errors."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import Gio, GLib, GObject

from child import in_child
from gleenlet import (
    GleenletError,
    Hub,
    get_hub,
    run,
    sleep,
    spawn,
)
from gleenlet._core import Waiter, callback_depth
from gleenlet._core._native import PLATFORM
from inside import settle

pytestmark = pytest.mark.usefixtures("nothing_left")


def add_idle(priority: int, func: Any, *args: Any) -> int:
    return GLib.idle_add(func, *args, priority=priority)  # type: ignore[call-arg]  # the stubs miss it


class Counter(GObject.Object):
    value = GObject.Property(type=int, default=0)


# ---- any running loop drives tasks ----


def test_main_loop_drives_tasks() -> None:
    loop = GLib.MainLoop()
    log: list[int] = []

    def work() -> None:
        for i in range(3):
            log.append(i)
            sleep(0.001)
        loop.quit()

    spawn(work)
    loop.run()
    assert log == [0, 1, 2]


def test_application_drives_tasks() -> None:
    app = Gio.Application(application_id="org.example.Gleenlet", flags=Gio.ApplicationFlags.NON_UNIQUE)
    log: list[str] = []

    def work() -> None:
        sleep(0.001)
        log.append("worked")
        app.release()

    def activate(_: Gio.Application) -> None:
        app.hold()
        spawn(work)

    app.connect("activate", activate)
    app.run([])
    assert log == ["worked"]


def test_bare_iterations_drive_tasks() -> None:
    task = spawn(lambda: sleep(0) or "done")
    context = GLib.MainContext.default()
    while not task.done():
        context.iteration(True)
    assert task.result() == "done"


def test_nested_loop_in_a_callback_drives_tasks() -> None:
    log: list[str] = []

    def callback() -> None:
        inner = GLib.MainLoop()
        spawn(lambda: (sleep(0.001), log.append("inside"), inner.quit()))
        inner.run()
        log.append("after")
        outer.quit()

    outer = GLib.MainLoop()
    GLib.idle_add(callback)
    outer.run()
    assert log == ["inside", "after"]


def test_nested_loop_in_a_loop_call_drives_tasks() -> None:
    def nested() -> None:
        inner = GLib.MainLoop()
        spawn(lambda: (sleep(0), inner.quit()))
        inner.run()
        done.wake()

    done = Waiter()
    get_hub().call_soon(nested)
    done.wait()


def test_threads_have_loops_of_their_own() -> None:
    results: dict[int, Any] = {}

    def thread(number: int) -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        try:
            results[number] = run(lambda: [spawn(lambda i=i: sleep(0.001) or i).result() for i in range(3)])
            assert get_hub() is not main_hub
        finally:
            context.pop_thread_default()

    main_hub = get_hub()
    threads = [threading.Thread(target=thread, args=(n,)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert results == {n: [0, 1, 2] for n in range(4)}


def test_small_stack_is_a_clear_error_or_works() -> None:
    outcome: list[Any] = []

    def thread() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        try:
            outcome.append(run(lambda: sleep(0.001) or "works"))
        except GleenletError as error:
            outcome.append(str(error))
        finally:
            context.pop_thread_default()

    for size in (128, 256):  # the other way round the C library would reuse the larger stack
        before = threading.stack_size(size * 1024)
        try:
            each = threading.Thread(target=thread)
            each.start()
            each.join()
        finally:
            threading.stack_size(before)
    assert "too small" in outcome[0]
    assert "threading.stack_size(" in outcome[0]
    assert outcome[1] == "works"


@pytest.mark.skipif(PLATFORM == "plain", reason="there the stack begins, as far as is known, where the hub is made")
@in_child()
def test_reserve_can_be_set() -> None:
    Hub.stack_reserve = 2 << 20
    before = get_hub().floor
    Hub.stack_reserve = 1 << 20
    assert Hub().floor - before == 1 << 20
    Hub.stack_reserve = 1 << 40
    with pytest.raises(GleenletError, match=r"^this thread's stack of "):
        Hub()


# ---- order and priorities ----


def test_first_come_first_served() -> None:
    log: list[int] = []
    tasks = [spawn(log.append, i) for i in range(10)]
    tasks[-1].join()
    assert log == list(range(10))


@pytest.mark.parametrize("start", [run, lambda main: main()], ids=["in a task", "at top level"])
def test_sleep_0_lets_all_else_run_first(start: Callable[[Callable[[], None]], None]) -> None:
    log: list[str] = []

    def main() -> None:
        for name, priority in (("idle", 200), ("redraw", 120), ("default", 0), ("low", 150)):
            add_idle(priority, log.append, name)
        spawn(log.append, "task")
        sleep(0)
        log.append("me")

    for _ in range(20):  # where the machine stops for 10 ms, who has waited so long goes first
        log.clear()
        start(main)
        settle()
        if log[-1] == "me":
            break
    assert log[-1] == "me"
    assert sorted(log[:-1]) == ["default", "idle", "low", "redraw", "task"]
    assert log.index("redraw") < log.index("idle")


def test_priority_orders_wake_ups() -> None:
    log: list[int] = []

    def work(priority: int) -> None:
        waiters[priority].wait()
        log.append(priority)

    waiters = {p: Waiter() for p in (300, 0, -100, 250)}
    tasks = [spawn(work, p, priority=p) for p in waiters]
    assert [task.priority for task in tasks] == [300, 0, -100, 250]
    while any(w.greenlet is None for w in waiters.values()):
        sleep(0)
    for waiter in waiters.values():
        waiter.wake()
    for task in tasks:
        task.join()
    assert log == [-100, 0, 250, 300]


@pytest.mark.parametrize("priority", [0, 120, 200])
def test_no_source_starves_busy_tasks_and_they_starve_none(priority: int) -> None:
    counts = {"source": 0, "task": 0, "yield": 0}

    def source() -> bool:
        counts["source"] += 1
        return True

    def ping(mine: list[Waiter], theirs: list[Waiter]) -> None:
        while True:
            counts["task"] += 1
            theirs[0].wake()
            mine[0] = Waiter()
            mine[0].wait()

    def yields() -> None:
        while counts["yield"] < 20 or counts["source"] < 20:
            counts["yield"] += 1
            sleep(0)

    busy = add_idle(priority, source)
    a, b = [Waiter()], [Waiter()]
    spinners = [spawn(ping, a, b), spawn(ping, b, a)]
    try:
        spawn(yields).result()
    finally:
        GLib.source_remove(busy)
        for spinner in spinners:
            spinner.cancel()
            spinner.join()
    assert min(counts.values()) >= 20


# ---- threads ----


def test_foreign_threads_are_refused_but_threadsafe_calls_work() -> None:
    hub = get_hub()
    waiter = Waiter()
    task = spawn(sleep, 10)
    errors: list[str] = []

    def thread() -> None:
        for call in (
            lambda: hub.call_soon(print),
            waiter.wake,
            waiter.wait,
            task.cancel,
            task.join,
            lambda: hub.call_at(0, print),
        ):
            try:
                call()
            except GleenletError as error:
                errors.append(str(error))
        hub.call_soon_threadsafe(waiter.wake, "from a thread")

    other = threading.Thread(target=thread)
    other.start()
    assert waiter.wait() == "from a thread"
    other.join()
    assert len(errors) == 6
    assert all("call_soon_threadsafe" in text for text in errors)
    task.cancel()
    task.join()


@in_child(warns="...another thread now runs...")
def test_context_run_by_another_thread_warns() -> None:
    spawn(print, "never")
    loop = GLib.MainLoop()
    GLib.timeout_add(50, loop.quit)
    thread = threading.Thread(target=loop.run)
    thread.start()
    thread.join()


def test_driving_a_context_that_another_thread_runs_is_refused() -> None:
    loop = GLib.MainLoop()
    running = threading.Event()
    GLib.idle_add(lambda: running.set())
    thread = threading.Thread(target=loop.run)
    thread.start()
    running.wait()
    try:
        with pytest.raises(GleenletError, match="another thread runs it"):
            sleep(1)
    finally:
        loop.quit()
        thread.join()


def test_a_context_that_another_thread_has_for_a_moment_is_waited_for() -> None:
    context = GLib.MainContext.default()
    acquired = threading.Event()

    def thread() -> None:
        assert context.acquire()
        acquired.set()
        time.sleep(0.02)
        context.release()

    other = threading.Thread(target=thread)
    other.start()
    acquired.wait()
    assert spawn(int).result() == 0
    other.join()


# ---- calls and their errors ----


def test_error_in_a_call_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    get_hub().call_soon(lambda: 1 / 0)
    settle()
    assert "ZeroDivisionError" in capsys.readouterr().err
    with pytest.raises(TypeError, match="function"):
        get_hub().call_soon(3)  # type: ignore[arg-type]


def test_blocking_in_a_call_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    get_hub().call_soon(sleep, 1)
    settle()
    assert "UnsafeSwitchError" in capsys.readouterr().err


def test_error_that_cannot_be_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Nasty(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    def bad_hook(*_: object) -> None:
        raise Nasty

    monkeypatch.setattr(sys, "excepthook", bad_hook)
    spawn(exec, "raise Nasty", {"Nasty": Nasty})
    settle()
    assert "cannot be printed" in capsys.readouterr().err


@in_child()
def test_closed_hub_is_refused() -> None:
    hub = get_hub()
    hub._close()
    hub._close()
    assert "closed" in repr(hub)
    with pytest.raises(GleenletError, match="this hub is closed: its thread or its context has ended, or the interp"):
        hub.call_soon(print)
    assert get_hub() is not hub
    assert spawn(int).result() == 0


def test_callback_depth_counts_c_callbacks() -> None:
    depths = [callback_depth()]
    counter = Counter()
    counter.connect("notify::value", lambda *_: depths.append(callback_depth()))
    counter.value = 1
    assert depths == [0, 1]
    assert "tasks" in repr(get_hub())

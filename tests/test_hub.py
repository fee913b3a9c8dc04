"""The hub: who drives it, priorities, deadlines, descriptors, raw greenlets, threads."""

from __future__ import annotations

import gc
import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gi.repository import Gio, GLib, GObject
from greenlet import getcurrent, greenlet

import gleenlet
from child import run_script
from gleenlet import (
    Cancelled,
    GleenletError,
    UnsafeSwitchError,
    get_hub,
    run,
    schedule_switch,
    schedule_throw,
    sleep,
    spawn,
    wait_readable,
    wait_writable,
)
from gleenlet._core import Waiter, callback_depth


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    hub = get_hub()
    before = (hub.tasks(), hub._timers)  # asyncio's background loop, say, that another test started
    yield
    assert (hub.tasks(), hub._timers) == before
    assert (hub._held, hub._foreign, hub._switches) == (0, {}, {})


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


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
            assert get_hub().context is not main_context
        finally:
            context.pop_thread_default()

    main_context = get_hub().context
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


def test_reserve_can_be_set() -> None:
    outcome = run_script(
        "import gleenlet; gleenlet.Hub.stack_reserve = 2 << 20\n"
        "a = gleenlet.get_hub().floor; gleenlet.Hub.stack_reserve = 1 << 20\n"
        "print(gleenlet.Hub().floor - a); gleenlet.Hub.stack_reserve = 1 << 40\n"
        "try: gleenlet.Hub()\n"
        "except gleenlet.GleenletError as e: print(e)"
    )
    assert outcome.stdout.startswith(f"{1 << 20}\nthis thread's stack of "), outcome


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

    start(main)
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
    while get_hub()._switches or any(w.greenlet is None for w in waiters.values()):
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
        spawn(yields).result(timeout=30)
    finally:
        GLib.source_remove(busy)
        for spinner in spinners:
            spinner.cancel()
            spinner.join()
    assert min(counts.values()) >= 20


# ---- time ----


@pytest.mark.parametrize("bad", [-1, -0.001, math.nan, -math.inf])
def test_negative_and_nan_times_are_refused(bad: float) -> None:
    r, w = os.pipe()
    try:
        for call in (lambda: sleep(bad), lambda: Waiter(bad), lambda: wait_readable(r, bad)):
            with pytest.raises(ValueError, match="must be 0 or more seconds"):
                call()
    finally:
        os.close(r)
        os.close(w)
    with pytest.raises(ValueError):
        get_hub().call_later(bad, print)
    with pytest.raises(ValueError):
        get_hub().call_at(math.nan, print)


@pytest.mark.parametrize("bad", ["1", None, [], object()])
def test_times_of_another_type_are_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match="number of seconds"):
        sleep(bad)


@pytest.mark.parametrize("forever", [math.inf, 1e300, 10**400])
def test_endless_times_have_no_end(forever: float) -> None:
    before = get_hub()._timers
    task = spawn(sleep, forever)
    sleep(0)
    assert get_hub()._timers == before
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()


def test_timers_fire_in_order_and_cancelled_ones_do_not() -> None:
    hub = get_hub()
    now = hub.time()
    log: list[int] = []
    handles = [hub.call_at(now + 0.001 * (i % 7), log.append, i) for i in range(50)]
    for i in range(0, 50, 3):
        handles[i].cancel()
    assert handles[0].cancelled()
    assert handles[1].when() == pytest.approx(now + 0.001)
    sleep(0.02)
    assert log == sorted((i for i in range(50) if i % 3), key=lambda i: (i % 7, i))
    handles[1].cancel()  # too late, and no matter


def test_deadline_in_the_past_is_due_at_once() -> None:
    log: list[str] = []
    get_hub().call_at(0, log.append, "past")
    get_hub().call_at(-math.inf, log.append, "long past")
    sleep(0.001)
    assert sorted(log) == ["long past", "past"]


def test_timeout_of_a_wait() -> None:
    with pytest.raises(TimeoutError):
        Waiter(0).wait()
    with pytest.raises(TimeoutError):
        spawn(Waiter(0.001).wait).result()


# ---- Waiter ----


def test_first_outcome_wins() -> None:
    waiter = Waiter()
    assert not waiter.done
    assert waiter.wake("first")
    assert not waiter.wake("second")
    assert not waiter.throw(ValueError)
    assert waiter.done
    assert waiter.woken
    assert waiter.wait() == "first"
    thrown = Waiter(timeout=5)
    assert thrown.throw(ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        thrown.wait()


def test_waiter_refuses_bad_use() -> None:
    waiter = Waiter()
    task = spawn(waiter.wait)
    sleep(0)
    with pytest.raises(GleenletError, match="another task already waits"):
        waiter.wait()
    with pytest.raises(TypeError):
        waiter.throw("no exception")  # type: ignore[arg-type]
    for bad in ((1, 2), ()):
        with pytest.raises(TypeError):
            Waiter(*bad, wrong=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        waiter.wake(1, 2)  # type: ignore[call-arg]
    waiter.wake()
    assert task.result() is None


def test_cancel_overrides_a_wake_up_not_yet_taken() -> None:
    waiter = Waiter()
    task = spawn(waiter.wait)
    sleep(0)
    waiter.wake("value")
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    assert waiter.woken


# ---- descriptors ----


def test_readable_and_writable(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    wait_writable(one)
    task = spawn(wait_readable, other)
    sleep(0)
    assert not task.done()
    one.send(b"x")
    assert task.join()
    with pytest.raises(TimeoutError):
        wait_readable(one, timeout=0.001)


def test_two_waits_on_one_direction_both_wake(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    tasks = [spawn(wait_readable, other) for _ in range(2)]
    sleep(0)
    one.send(b"x")
    assert [task.join() for task in tasks] == [True, True]


def test_read_and_write_wait_on_one_descriptor(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    one.setblocking(False)
    while True:
        try:
            one.send(b"x" * 4096)
        except BlockingIOError:
            break
    reader, writer = spawn(wait_readable, one), spawn(wait_writable, one)
    sleep(0)
    other.send(b"x")
    reader.join()
    assert not writer.done()
    other.setblocking(False)
    while not writer.done():
        try:
            other.recv(65536)
        except BlockingIOError:
            pass
        sleep(0)


def test_end_of_the_peer_wakes_both_directions() -> None:
    r, w = os.pipe()
    os.close(r)
    wait_writable(w)
    os.close(w)


def test_bad_descriptors_are_refused() -> None:
    r, w = os.pipe()
    os.close(r)
    os.close(w)
    for fd in (r, -1):
        with pytest.raises(ValueError, match="is not open"):
            wait_readable(fd)
    with tempfile.TemporaryFile() as file, pytest.raises(ValueError, match="regular files"):
        wait_readable(file)
    with pytest.raises(TypeError, match=r"fileno\(\)"):
        wait_readable("file")  # type: ignore[arg-type]


def test_number_reused_for_another_file(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    victim, peer = socket.socketpair()
    fd = victim.fileno()
    old = spawn(wait_readable, fd)
    sleep(0)
    os.dup2(other.fileno(), fd)  # the old file is closed, its number is another one's
    peer.close()
    new = spawn(wait_readable, fd)
    with pytest.raises(OSError, match="was closed while"):
        old.result()
    assert not new.done()
    one.send(b"x")
    assert new.join()
    victim.close()


def test_closed_descriptors_are_forgotten() -> None:
    for _ in range(3):
        pairs = [socket.socketpair() for _ in range(1100)]
        for one, _other in pairs:
            wait_writable(one)
        numbers = {one.fileno() for one, _other in pairs}
        for one, other in pairs:
            one.close()
            other.close()
        keep = [os.open(os.devnull, os.O_RDONLY) for _ in numbers]  # the next round gets other numbers
        more = [socket.socketpair() for _ in range(1100)]
        for one, _other in more:
            wait_writable(one)
        for one, other in more:
            one.close()
            other.close()
        for fd in keep:
            os.close(fd)
    assert len(get_hub().poller._watches) < 3300


def test_forked_child_polls_its_own(pair: tuple[socket.socket, socket.socket]) -> None:
    outcome = run_script(
        "import os, socket, warnings; warnings.simplefilter('ignore')\n"
        "from gleenlet import sleep, spawn, wait_readable, wait_writable\n"
        "a, b = socket.socketpair(); wait_writable(a)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    wait_writable(a); a.send(b'from the child'); os._exit(7)\n"
        "wait_readable(b); print(b.recv(99)); print(os.waitpid(pid, 0)[1] >> 8)"
    )
    assert outcome.stdout == "b'from the child'\n7\n", outcome.stderr


# ---- where blocking is unsafe ----


def test_blocking_in_a_loop_callback_names_the_line() -> None:
    errors: list[BaseException] = []

    def on_idle() -> None:
        try:
            sleep(1)
        except UnsafeSwitchError as error:
            errors.append(error)
        loop.quit()

    loop = GLib.MainLoop()
    GLib.idle_add(on_idle)
    loop.run()
    line = on_idle.__code__.co_firstlineno + 2
    assert f"on_idle ({__file__}:{line})" in str(errors[0])
    assert "spawn" in str(errors[0])


def test_blocking_in_a_handler_under_a_task_is_refused() -> None:
    counter = Counter()
    errors: list[BaseException] = []
    read_fd, write_fd = os.pipe()

    def on_notify(*_: object) -> None:
        for block in (
            lambda: sleep(0),
            lambda: wait_readable(read_fd),
            lambda: Waiter().wait(),
            get_hub().switch,
        ):
            with pytest.raises(UnsafeSwitchError) as caught:
                block()
            errors.append(caught.value)

    counter.connect("notify::value", on_notify)
    spawn(setattr, counter, "value", 1).result()
    os.close(read_fd)
    os.close(write_fd)
    assert len(errors) == 4
    assert __file__ in str(errors[0])


def test_refusals_leave_nothing() -> None:
    outcome = run_script(
        "import resource, sys, gc\n"
        "from gi.repository import GLib\n"
        "from gleenlet import *\n"
        "def tries(n):\n"
        "    for _ in range(n):\n"
        "        for f in (lambda: sleep(1), lambda: wait_writable(w, 5), lambda: task.join(1), get_hub().switch):\n"
        "            try: f(); sys.exit('not refused')\n"
        "            except UnsafeSwitchError: pass\n"
        "def idle():\n"
        "    tries(2_000); a = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    tries(25_000); b = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    h = get_hub()\n"
        "    print(b - a < 2000, h.tasks() == [task], h._timers, h._foreign, h._switches, task._callbacks)\n"
        "    loop.quit()\n"
        "import os; r, w = os.pipe()\n"
        "task = spawn(sleep, float('inf'))\n"
        "loop = GLib.MainLoop(); GLib.idle_add(idle); loop.run()\n",
        timeout=120,
    )
    assert outcome.stdout == "True True 0 {} {} []\n", outcome


def test_plain_c_builtins_may_block() -> None:
    class Sleepy:
        def __repr__(self) -> str:
            sleep(0)
            return "Sleepy"

        def __del__(self) -> None:
            sleep(0)
            log.append("deleted")

    import re

    log: list[str] = []

    def work() -> list[Any]:
        thing = Sleepy()
        text = repr(thing)
        del thing
        return [
            sorted([3, 1, 2], key=lambda v: sleep(0) or v),
            list(map(lambda v: sleep(0) or v, "ab")),  # noqa: C417  # C code in between is the point
            re.sub("a", lambda _: sleep(0) or "b", "banana"),
            text,
        ]

    ticker = spawn(lambda: [sleep(0) for _ in range(5)])
    assert spawn(work).result() == [[1, 2, 3], ["a", "b"], "bbnbnb", "Sleepy"]
    assert log == ["deleted"]
    ticker.join()


def test_nested_loop_in_a_task_holds_tasks_and_warns_once() -> None:
    log: list[str] = []

    def opens_a_dialog() -> None:
        for _ in range(2):
            inner = GLib.MainLoop()
            GLib.timeout_add(20, inner.quit)
            inner.run()
        log.append("closed")

    def work() -> None:
        log.append("worked")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        get_hub()._complained = False
        dialog = spawn(opens_a_dialog)
        worker = spawn(work)
        dialog.result()
        worker.join()
    assert log == ["closed", "worked"]
    told = [str(w.message) for w in caught if w.category is RuntimeWarning]
    assert len(told) == 1
    assert f"{__file__}:{opens_a_dialog.__code__.co_firstlineno + 4}" in told[0]
    assert "green()" in told[0]


# ---- raw greenlets ----


def test_schedule_switch_starts_and_resumes_from_the_loop() -> None:
    log: list[Any] = []

    def body(*args: object, **kwargs: object) -> None:
        log.append((args, kwargs))
        log.append(getcurrent().parent.switch())  # type: ignore[union-attr]

    target = greenlet(body)
    schedule_switch(target, 1, two=2)
    assert log == []
    sleep(0)
    schedule_switch(target, "again")
    sleep(0)
    assert log == [((1,), {"two": 2}), "again"]
    assert target.dead


def test_hub_switch_gets_what_was_scheduled() -> None:
    results: list[Any] = []

    def body() -> None:
        results.extend(get_hub().switch() for _ in range(3))

    target = greenlet(body)
    for args in ((), (), (1,), (1, 2)):
        schedule_switch(target, *args)
        sleep(0)
    assert results == [None, 1, (1, 2)]
    task = spawn(get_hub().switch)
    sleep(0)
    schedule_switch(task.greenlet, "task")  # type: ignore[arg-type]
    assert task.result() == "task"


def test_schedule_throw() -> None:
    log: list[str] = []

    def body(wait: Any) -> None:
        try:
            wait()
        except ValueError as error:
            log.append(str(error))

    parent = getcurrent()
    for wait in (get_hub().switch, lambda: sleep(10), parent.switch):
        target = greenlet(body)
        schedule_switch(target, wait)
        sleep(0)
        schedule_throw(target, ValueError("thrown"))
        sleep(0)
        assert target.dead
    assert log == ["thrown"] * 3
    with pytest.raises(TypeError, match="exception"):
        schedule_throw(greenlet(print), "no")  # type: ignore[arg-type]


def test_schedule_switch_refuses() -> None:
    dead = greenlet(int)
    dead.switch()
    sleeper = greenlet(sleep)
    schedule_switch(sleeper, 0.01)
    task = spawn(sleep, 0.01)
    sleep(0)
    others: list[Any] = []
    thread = threading.Thread(target=lambda: others.append(getcurrent()))
    thread.start()
    thread.join()
    assert task.greenlet
    for target, text in (
        (dead, "dead"),
        (sleeper, "waits for something"),
        (task.greenlet, "waits for something"),
    ):
        with pytest.raises(GleenletError, match=text):
            schedule_switch(target)
    with pytest.raises(GleenletError, match=r"Task\.cancel"):
        schedule_throw(spawn_fiber(), ValueError)
    with pytest.raises(TypeError, match=r"spawn\(\)"):
        schedule_switch(print)  # type: ignore[arg-type]
    with pytest.raises(GleenletError, match=r"sleep\(0\)"):
        schedule_switch(getcurrent())
    loop_greenlet = getcurrent()

    def inside() -> None:
        with pytest.raises(GleenletError, match=r"sleep\(0\)"):
            schedule_switch(loop_greenlet)

    spawn(inside).result()
    task.join()
    while not sleeper.dead:
        sleep(0.01)


def spawn_fiber() -> greenlet:
    """The greenlet of a task that runs but waits for nothing of ours."""
    return spawn(getcurrent).result()


def test_schedule_switch_of_another_thread_is_refused() -> None:
    outcome = run_script(
        "import threading\nfrom greenlet import greenlet, getcurrent\nfrom gleenlet import *\n"
        "g = greenlet(print)\n"
        "def t():\n"
        "    try: schedule_switch(g)\n"
        "    except GleenletError as e: print(e)\n"
        "x = threading.Thread(target=t); x.start(); x.join()\n"
    )
    assert "belongs to another thread" in outcome.stdout, outcome


def test_schedule_switch_of_oneself_then_hub_switch_is_a_round_trip() -> None:
    log: list[Any] = []

    def body() -> None:
        schedule_switch(getcurrent(), "back")
        log.append(get_hub().switch())

    spawn(body).result()
    schedule_switch(greenlet(body))
    sleep(0)
    sleep(0)
    assert log == ["back", "back"]


def test_error_of_a_raw_greenlet_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    schedule_switch(greenlet(lambda: 1 / 0))
    sleep(0)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_raw_greenlet_started_by_hand_in_a_callback_may_wait() -> None:
    log: list[str] = []

    def body() -> None:
        sleep(0.001)
        log.append("resumed")
        sleep(0)
        loop.quit()

    loop = GLib.MainLoop()
    target = greenlet(body)
    GLib.idle_add(lambda: bool(target.switch()))
    loop.run()
    assert log == ["resumed"]


def test_child_greenlet_of_a_task_waits_for_it() -> None:
    def child() -> str:
        sleep(0.001)
        assert gleenlet.current_task() is task
        return "child"

    def main() -> str:
        return str(greenlet(child).switch())

    task = spawn(main)
    assert task.result() == "child"
    task = spawn(lambda: greenlet(lambda: sleep(10)).switch())
    sleep(0)
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()


def test_switching_by_hand_to_a_waiting_task_is_an_error_there() -> None:
    task = spawn(sleep, 10)
    sleep(0)
    assert task.greenlet
    task.greenlet.switch()
    with pytest.raises(GleenletError, match="by hand"):
        task.result()


def test_throwing_by_hand_into_a_waiting_task_cleans_up() -> None:
    task = spawn(sleep, 10)
    sleep(0)
    assert task.greenlet
    task.greenlet.throw(KeyError("x"))
    with pytest.raises(KeyError):
        task.result()


def test_task_that_switches_home_by_hand_yields() -> None:
    log: list[int] = []
    home = getcurrent()

    def work() -> None:
        for i in range(3):
            log.append(i)
            home.switch()

    ticks: list[int] = []
    tag = GLib.idle_add(lambda: ticks.append(len(log)) or True)
    spawn(work).result()
    GLib.source_remove(tag)
    assert log == [0, 1, 2]
    assert len(set(ticks)) > 1


def test_pool_refuses_strangers() -> None:
    from gleenlet._core import Fiber

    with pytest.raises(GleenletError, match="pool"):
        Fiber().switch()
    idle = spawn(getcurrent).result()
    idle.throw(ValueError)  # it leaves the pool; the next task gets another greenlet
    assert spawn(int).result() == 0


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


def test_context_run_by_another_thread_warns() -> None:
    outcome = run_script(
        "import threading, warnings\nfrom gi.repository import GLib\nfrom gleenlet import *\n"
        "spawn(print, 'never')\nloop = GLib.MainLoop()\n"
        "GLib.timeout_add(50, loop.quit)\n"
        "t = threading.Thread(target=loop.run); t.start(); t.join()\n"
    )
    assert "another thread now runs" in outcome.stderr, outcome
    assert outcome.status == 0


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


# ---- calls and their errors ----


def test_error_in_a_call_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    get_hub().call_soon(lambda: 1 / 0)
    sleep(0)
    assert "ZeroDivisionError" in capsys.readouterr().err
    with pytest.raises(TypeError, match="function"):
        get_hub().call_soon(3)  # type: ignore[arg-type]


def test_blocking_in_a_call_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    get_hub().call_soon(sleep, 1)
    sleep(0)
    assert "UnsafeSwitchError" in capsys.readouterr().err


def test_error_that_cannot_be_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Nasty(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    def bad_hook(*_: object) -> None:
        raise Nasty

    monkeypatch.setattr(sys, "excepthook", bad_hook)
    task = spawn(exec, "raise Nasty", {"Nasty": Nasty})
    sleep(0)
    assert task.done()
    assert "cannot be printed" in capsys.readouterr().err


def test_closed_hub_is_refused() -> None:
    outcome = run_script(
        "from gleenlet import *\nh = get_hub(); h._close(); h._close(); print(h)\n"
        "try: h.call_soon(print)\nexcept GleenletError as e: print(e)\n"
        "print(get_hub() is h, spawn(int).result())"
    )
    assert outcome.stdout.splitlines()[1:] == [
        "this hub is closed: its thread has ended, or the interpreter is about to",
        "False 0",
    ], outcome
    assert "closed" in outcome.stdout


def test_callback_depth_counts_c_callbacks() -> None:
    depths = [callback_depth()]
    counter = Counter()
    counter.connect("notify::value", lambda *_: depths.append(callback_depth()))
    counter.value = 1
    assert depths == [0, 1]
    assert "tasks" in repr(get_hub())


# ---- memory and exit ----


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
        timeout=120,
    )
    assert outcome.stdout.startswith("True True"), outcome


@pytest.mark.parametrize("flags", [[], ["-X", "dev"]])
def test_exit_with_ten_thousand_suspended_tasks_is_silent(flags: list[str]) -> None:
    program = (
        "from gleenlet import *\n"
        "tasks = [spawn(sleep, 1000) for _ in range(10_000)]\n"
        "while get_hub()._timers < 10_000: sleep(0)\n"
        "print(sum(t.greenlet is not None for t in tasks))\n"
    )
    done = subprocess.run([sys.executable, *flags, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "10000\n", "")


def test_task_outlives_its_loop_and_its_thread() -> None:
    outcome = run_script(
        "import gc, threading\nfrom gi.repository import GLib\nfrom gleenlet import *\n"
        "def main(): spawn(sleep, 0.01).add_done_callback(lambda t: print('went on')); sleep(0)\n"
        "run(main); print('left'); sleep(0.05)\n"
        "def thread():\n"
        "    c = GLib.MainContext.new(); c.push_thread_default(); run(main); c.pop_thread_default()\n"
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

    import weakref

    thing = Thing()
    thing.task = spawn(lambda t: t, thing)  # type: ignore[attr-defined]
    thing.task.join()  # type: ignore[attr-defined]
    thing.handle = get_hub().call_later(100, print, thing)  # type: ignore[attr-defined]
    thing.handle.cancel()  # type: ignore[attr-defined]
    ref = weakref.ref(thing)
    del thing
    gc.collect()
    assert ref() is None

"""gleenlet.gevent: time, and what gevent and GLib see of each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from gi.repository import Gio, GLib

pytest.importorskip("gevent")

import gevent
import gevent.event
import gevent.socket

import gleenlet.gevent
from inside_gevent import check, in_gevent, loop, until


@in_gevent()
def test_timers_are_on_time_when_started_from_a_glib_callback_that_was_busy() -> None:
    started = 0.0

    def callback() -> None:
        nonlocal started
        time.sleep(0.06)  # libev's clock stands still meanwhile
        started = time.monotonic()
        gevent.spawn_later(0.05, lambda: (check(0.05, since=started), loop.quit()))

    gevent.sleep(0.01)  # the hub is suspended, and knows this time
    GLib.timeout_add(10, callback)
    loop.run()


@in_gevent()
def test_timers_are_on_time_in_greenlets_and_from_threads() -> None:
    def sleeper() -> None:
        for seconds in (0.001, 0.01, 0.05):
            start = time.monotonic()
            gevent.sleep(seconds)
            check(seconds, since=start)

    gevent.joinall([gevent.spawn(sleeper) for _ in range(20)], raise_error=True)

    def late() -> None:
        time.sleep(0.05)  # burns: a Timeout started now must not count it
        start = time.monotonic()
        with gevent.Timeout(0.05, False):
            gevent.sleep(1)
        check(0.05, since=start)

    gevent.spawn(late).get()
    hub = gevent.get_hub()

    def thread() -> None:
        time.sleep(0.05)  # both loops sleep
        hub.loop.run_callback_threadsafe(loop.quit)

    threading.Thread(target=thread).start()
    loop.run()


@in_gevent()
def test_an_async_send_a_signal_and_a_new_descriptor_reach_a_suspended_hub() -> None:
    hub = gevent.get_hub()
    seen: list[Any] = []

    def saw(what: Any) -> None:
        seen.append(what)
        if len(seen) == 3:
            loop.quit()

    gevent.sleep(0.01)  # the hub is born and suspended
    watcher = hub.loop.async_()
    watcher.start(saw, "async")
    reader, writer = os.pipe()
    io = hub.loop.io(reader, 1)
    gevent.signal_handler(signal.SIGUSR1, saw, "signal")

    def start() -> Any:
        io.start(lambda: (saw("io"), io.stop()))
        os.write(writer, b"x")
        return False

    GLib.timeout_add(20, start)
    threading.Timer(0.05, watcher.send).start()
    threading.Timer(0.08, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    loop.run()
    assert sorted(seen) == ["async", "io", "signal"], seen


@in_gevent()
@pytest.mark.parametrize("kind", ["io", "timer"])
def test_a_watcher_that_a_glib_callback_starts_alone_reaches_a_suspended_hub(kind: str) -> None:
    hub = gevent.get_hub()
    reader, writer = os.pipe()
    os.write(writer, b"x")
    watcher = hub.loop.io(reader, 1) if kind == "io" else hub.loop.timer(0.05)
    gevent.sleep(0.01)  # the watcher is there, the hub is suspended
    GLib.timeout_add(20, lambda: watcher.start(lambda: (watcher.stop(), loop.quit())))
    loop.run()


@in_gevent()
def test_a_signal_and_an_async_send_between_two_waits_of_libev_are_not_lost() -> None:
    """libev does not write to its pipe while callbacks run, it only waits for no time: see park.c."""
    hub = gevent.get_hub()
    seen: list[Any] = []

    def saw(what: Any) -> None:
        seen.append(what)
        if len(seen) == 2:
            loop.quit()

    watcher = hub.loop.async_()
    watcher.start(saw, "async")
    gevent.signal_handler(signal.SIGUSR1, saw, "signal")
    gevent.sleep(0.01)

    def worker() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        watcher.send()
        time.sleep(0.005)  # the slice is over: GLib is asked before libev

    for _ in range(20):
        seen.clear()
        gevent.spawn(worker)
        loop.run()


@in_gevent()
def test_whatever_is_started_between_two_iterations_by_hand_runs_in_the_next() -> None:
    context = GLib.MainContext.default()
    seen: list[Any] = []
    for number in range(5):
        gevent.spawn(seen.append, number)
        while len(seen) <= number:
            context.iteration(True)
        gevent.spawn_later(0.01, seen.append, number)
        while len(seen) <= number + 1:
            context.iteration(True)
        seen.pop()
    check(0.05)


@in_gevent()
def test_idle_add_timeout_add_and_quit_take_effect_with_no_other_source() -> None:
    """Where GLib does not learn of them, it sleeps for ever."""
    app = Gio.Application(application_id="org.gleenlet.Test", flags=Gio.ApplicationFlags.NON_UNIQUE)
    app.connect("activate", lambda app: (app.hold(), gevent.spawn(worker)))

    def worker() -> None:
        for add in (GLib.idle_add, lambda f: GLib.timeout_add(0, f)):
            for _ in range(20):
                event = gevent.event.Event()
                add(event.set)
                event.wait()
        app.quit()

    assert gleenlet.gevent.run(app.run, []) == 0


@in_gevent()
def test_a_sleep_0_loop_ends_with_its_timeout() -> None:
    with gevent.Timeout(0.01, False):
        while True:
            gevent.sleep(0)
    check(0.01)


@in_gevent(early="from gevent import monkey; monkey.patch_all()")
def test_asyncios_loop_runs_in_a_task_after_patch_all() -> None:
    import asyncio

    import gleenlet.asyncio

    async def main() -> str:
        await asyncio.sleep(0.001)
        return "done"

    assert gleenlet.asyncio.run(main()) == "done"


@in_gevent(early="from gevent import monkey; monkey.patch_all()")
def test_glib_is_polled_after_patch_all() -> None:
    from gleenlet.gevent import _libev

    ticks: list[Any] = []

    def worker() -> None:
        while len(ticks) < 3:
            time.sleep(0.01)
        loop.quit()

    before = _libev.polls()
    threading.Thread(target=worker).start()
    GLib.timeout_add(10, lambda: ticks.append(1) or True)
    loop.run()
    assert _libev.polls() > before
    while len(ticks) < 6:  # no loop runs: the waiting main greenlet drives GLib
        time.sleep(0.01)


@in_gevent()
def test_a_greenlet_closes_a_descriptor_that_glib_watches_and_reuses_its_number() -> None:
    seen: list[Any] = []

    def worker() -> None:
        reader, _writer = os.pipe()
        source = GLib.io_add_watch(reader, 0, GLib.IOCondition.IN, lambda *_: seen.append("old"))
        gevent.sleep(0.01)
        GLib.source_remove(source)
        os.close(reader)
        again, other = os.pipe()
        assert again == reader
        GLib.io_add_watch(again, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN, lambda *_: seen.append("new"))
        os.write(other, b"x")
        until(lambda: seen)
        third, _fourth = os.pipe()
        GLib.io_add_watch(third, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN, lambda *_: seen.append("closed"))
        os.close(third)  # closed while GLib watches it
        a, b = gevent.socket.socketpair()  # takes the number
        b.sendall(b"data")
        seen.append(a.recv(10))
        loop.quit()

    gevent.spawn(worker)
    loop.run()
    assert seen[0] == "new", seen
    assert b"data" in seen, seen


@in_gevent()
def test_an_idle_program_hardly_polls() -> None:
    from gleenlet.gevent import _libev

    gevent.spawn(gevent.sleep, 1000)
    gevent.sleep(0.01)
    polls: list[Any] = []

    def tick() -> Any:  # each is a turn of GLib's, and a pass of the hub's
        polls.append(_libev.polls())
        if len(polls) == 20:
            loop.quit()
            done.set()
        return True

    done = gevent.event.Event()
    GLib.timeout_add(10, tick, priority=GLib.PRIORITY_HIGH)  # type: ignore[call-arg]  # the stubs miss it
    for wait in (loop.run, done.wait):  # without a loop the main greenlet drives GLib
        polls.clear()
        done.clear()
        wait()
        assert polls[-1] - polls[0] <= 3 * 20, polls  # a hub that does not sleep: as often as it can


@in_gevent()
def test_a_wait_for_a_glib_source_is_no_loop_exit_but_a_wait_for_nothing_is() -> None:
    result = gevent.event.AsyncResult()
    GLib.timeout_add(50, result.set, "by GLib")
    assert result.get() == "by GLib"
    reader, writer = os.pipe()
    event = gevent.event.Event()
    GLib.io_add_watch(reader, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN, lambda *_: event.set())
    threading.Timer(0.05, os.write, (writer, b"x")).start()
    event.wait()
    for _ in range(2):
        try:
            gevent.event.Event().wait()
        except gevent.exceptions.LoopExit:
            pass
        else:
            sys.exit("no LoopExit")
    gevent.sleep(0.01)
    gevent.spawn(gleenlet.sleep, 0.05).get()
    gevent.spawn(gevent.sleep, 0.01).get()  # and greenlets wait as before
    file = Gio.File.new_for_path("/")
    done = gevent.event.AsyncResult()
    file.query_info_async(
        "*", Gio.FileQueryInfoFlags.NONE, 0, None, lambda f, r: done.set(f.query_info_finish(r).get_name())
    )
    assert done.get() == "/"


@in_gevent()
def test_a_thread_of_gios_that_has_not_yet_run_is_no_loop_exit() -> None:
    processor = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processor})
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        file = Gio.File.new_for_path("/")
        done = gevent.event.AsyncResult()
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # threads inherit it: this one runs last of all
        file.query_info_async(
            "*", Gio.FileQueryInfoFlags.NONE, 0, None, lambda f, r: done.set(f.query_info_finish(r).get_name())
        )
        try:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        except PermissionError:  # both are as slow as that
            for process in busy:
                process.kill()
        assert done.get() == "/"
    finally:
        for process in busy:
            process.kill()


@in_gevent()
def test_a_glib_callback_sets_what_a_greenlet_waits_for_with_nothing_else_alive() -> None:
    event = gevent.event.Event()

    def waiter() -> None:
        event.wait()
        gevent.sleep(0)  # a callback that was scheduled in the same turn
        loop.quit()

    gevent.spawn(waiter)
    GLib.timeout_add(50, lambda: event.set())
    loop.run()
    check(0.05)


@in_gevent()
def test_an_io_watcher_on_a_regular_file_is_always_ready() -> None:
    """epoll does not take regular files; libev says that they are ready, and waits for no time."""
    with open(sys.executable, "rb") as file:

        def reader() -> None:
            for _ in range(3):
                gevent.socket.wait_read(file.fileno())
            loop.quit()

        gevent.spawn(reader)
        loop.run()


@in_gevent()
def test_greenlets_that_compute_hand_over_after_some_turns_and_not_after_50() -> None:
    """gevent itself looks at the clock once in 50 callbacks, so it never hands over before."""
    turns, between = 0, []

    def compute() -> None:
        nonlocal turns
        while True:
            end = time.perf_counter() + 0.0002
            while time.perf_counter() < end:
                pass
            turns += 1
            gevent.sleep(0)

    def idle() -> Any:
        nonlocal turns
        between.append(turns)
        turns = 0
        if len(between) == 20:
            loop.quit()
        return True

    for _ in range(100):
        gevent.spawn(compute)
    GLib.idle_add(idle)
    loop.run()
    assert min(between[1:]) < 50, between


@in_gevent()
def test_libevs_loop_is_not_run_by_hand_while_the_hub_waits_in_it() -> None:
    """libev would end the process."""
    errors: list[Any] = []

    def callback() -> None:
        try:
            gevent.get_hub().loop.run(nowait=True)
        except gleenlet.GleenletError as error:
            errors.append(str(error))
        gevent.spawn_later(0.01, loop.quit)

    gevent.sleep(0.01)
    GLib.timeout_add(10, callback)
    loop.run()
    assert len(errors) == 1, errors
    assert "do not run it by hand" in errors[0], errors


@in_gevent()
@pytest.mark.parametrize("kind", ["watcher", "callback"])
def test_idle_sources_are_served_beside_callbacks_without_end(kind: str) -> None:
    """No greenlet waits here, so only libev's wait shows that a slice is over."""
    hub = gevent.get_hub()
    reader, writer = os.pipe()
    os.write(writer, b"x")
    watcher = hub.loop.io(reader, 1)

    def work() -> None:
        end = time.perf_counter() + 0.002  # more than a slice
        while time.perf_counter() < end:
            pass
        if kind == "callback":
            hub.loop.run_callback(work)

    gevent.spawn_later(0, watcher.start if kind == "watcher" else hub.loop.run_callback, work)
    turns: list[int] = []
    GLib.idle_add(lambda: (turns.append(1), len(turns) == 20 and loop.quit()) and True)
    loop.run()

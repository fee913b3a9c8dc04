"""gleenlet.gevent: the rest of gevent's API, threads, forks; gleenlet's API from greenlets and gevent's from tasks."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest
from gi.repository import Gio, GLib

pytest.importorskip("gevent")

import gevent
import gevent.event
import gevent.queue
import gevent.socket
import gevent.subprocess
from gevent.exceptions import BlockingSwitchOutError

import gleenlet
from inside_gevent import Counter, check, forked, in_gevent, loop, until


@in_gevent()
def test_timeout_kill_asyncresult_threadpool_under_a_running_loop() -> None:
    log: list[Any] = []

    def worker() -> None:
        with gevent.Timeout(0.02, False):
            gevent.sleep(1)
        log.append("timeout")
        victim = gevent.spawn(gevent.sleep, 10)
        gevent.sleep(0.01)
        victim.kill()
        log.append(victim.dead)
        result = gevent.event.AsyncResult()
        gevent.spawn_later(0.01, result.set, "result")
        log.append(result.get())
        log.append(gevent.get_hub().threadpool.apply(sum, ([1, 2],)))
        log.append(list(gevent.get_hub().threadpool.map(lambda n: time.sleep(0.01) or n, range(5))))
        log.append(gevent.socket.gethostbyname("localhost"))
        loop.quit()

    gevent.spawn(worker)
    loop.run()
    assert log == ["timeout", True, "result", 3, [0, 1, 2, 3, 4], "127.0.0.1"], log
    check(0.05)


@in_gevent()
def test_signals_subprocesses_and_child_watchers_under_a_running_loop() -> None:
    import gevent.subprocess

    log: list[Any] = []

    def worker() -> None:
        gevent.signal_handler(signal.SIGUSR1, log.append, "SIGUSR1")
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: log)
        pipe = gevent.subprocess.PIPE  # none ends before it is told to: see forked()
        log.append(gevent.subprocess.Popen(["cat"], stdin=pipe, stdout=pipe).communicate(b"42")[0])
        child = gevent.subprocess.Popen(["cat"], stdin=pipe)
        child.stdin.close()
        log.append(child.wait())
        log.append(forked(lambda: os._exit(7)))
        loop.quit()

    gevent.spawn(worker)
    loop.run()
    assert log == ["SIGUSR1", b"42", 0, 7], log


@in_gevent()
def test_a_forked_child_stops_watching_glib_and_gevent_goes_on_in_it() -> None:
    from gleenlet.gevent import _libev

    ticks: list[Any] = []

    def in_child() -> None:
        before, polls = len(ticks), _libev.polls()
        gevent.sleep(0.05)
        gevent.spawn(gevent.sleep, 0.01).join()
        a, b = gevent.socket.socketpair()
        b.sendall(b"x")
        os._exit(0 if a.recv(1) == b"x" and len(ticks) == before and _libev.polls() == polls else 1)

    def worker() -> Any:
        return forked(in_child)

    GLib.timeout_add(5, lambda: ticks.append(1) or True)
    gevent.sleep(0.02)
    assert gevent.spawn(worker).get() == 0  # forked by a greenlet
    assert worker() == 0  # by the main greenlet, the hub suspended
    results: list[Any] = []
    gevent.spawn_later(0.01, lambda: (results.append(worker()), loop.quit()))
    loop.run()  # by a greenlet, a loop running
    assert results == [0]
    until(lambda: len(ticks) > 5)


@in_gevent()
def test_hubs_of_other_threads_are_plain_and_work() -> None:
    results: list[Any] = []

    def thread() -> None:
        hub = gevent.get_hub()
        results.append(getattr(hub.loop, "attached", False))
        gevent.joinall([gevent.spawn(gevent.sleep, 0.02) for _ in range(10)])
        a, b = gevent.socket.socketpair()
        gevent.spawn(b.sendall, b"hello")
        results.append(a.recv(10))
        hub.destroy(destroy_loop=True)

    GLib.timeout_add(200, loop.quit)
    gevent.spawn(gevent.sleep, 0.1)
    threads = [threading.Thread(target=thread) for _ in range(3)]
    [t.start() for t in threads]
    loop.run()
    [t.join() for t in threads]
    assert sorted(map(str, results)) == ["False"] * 3 + ["b'hello'"] * 3, results


@in_gevent()
def test_a_glib_loop_in_another_thread_leaves_gevent_to_itself() -> None:
    context, running = GLib.MainContext.default(), True
    ticks: list[int] = []
    turns: list[int] = []

    def run() -> None:
        assert context.acquire()
        owned.set()
        while running:
            context.iteration(True)
            turns.append(1)
        context.release()

    owned = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    owned.wait()
    GLib.timeout_add(5, lambda: ticks.append(threading.get_native_id()) or True)
    a, b = gevent.socket.socketpair()
    gevent.spawn_later(0.02, b.sendall, b"x")
    start = time.monotonic()
    assert a.recv(1) == b"x"
    gevent.sleep(0.1)
    check(0.12, since=start)
    until(lambda: len(ticks) > 20)
    running = False
    context.wakeup()
    thread.join()
    assert len(turns) < 3 * len(ticks), (turns, ticks)  # gevent's descriptors do not wake that loop
    assert set(ticks) == {thread.native_id}, ticks
    ticks.clear()
    until(lambda: len(ticks) > 3)  # now it is the main greenlet that drives
    assert set(ticks) == {threading.get_native_id()}, ticks


@in_gevent()
def test_the_loop_is_made_anew_in_the_kernel_and_a_file_is_watched() -> None:
    import tempfile

    ticks: list[Any] = []
    GLib.timeout_add(5, lambda: ticks.append(1) or True)
    gevent.sleep(0.02)
    gevent.reinit()  # as after a fork
    gevent.sleep(0.01)
    ticks.clear()
    until(lambda: len(ticks) > 4)
    with tempfile.NamedTemporaryFile() as file:
        watcher = gevent.get_hub().loop.stat(file.name)

        def start() -> None:
            watcher.start(loop.quit)
            GLib.timeout_add(20, lambda: bool(file.write(b"x")) and file.flush())

        GLib.timeout_add(5, start)
        loop.run()


@in_gevent()
def test_a_child_forked_in_a_callback_can_wait() -> None:
    parent = os.getpid()
    GLib.timeout_add(20, lambda: bool(status.append(os.fork())))
    status: list[Any] = []
    until(lambda: status)
    gevent.spawn(gevent.sleep, 0.01).join()
    if os.getpid() != parent:
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(status[0], 0)[1]) == 5


@in_gevent()
def test_idle_waits_for_nothing_else_and_a_wait_in_the_loop_of_a_greenlet_is_refused() -> None:
    errors: list[Any] = []

    def runner() -> Any:
        gevent.idle()
        inner = GLib.MainLoop()

        def callback() -> None:
            try:
                gevent.sleep(0.01)
            except BlockingSwitchOutError as error:
                errors.append(error)
            inner.quit()

        GLib.idle_add(callback)
        inner.run()
        gevent.idle()
        return True

    task = gleenlet.spawn(gleenlet.sleep, 0.01)
    assert gevent.spawn(runner).get()
    task.join()
    assert len(errors) == 1


@in_gevent()
def test_a_greenlet_waits_in_gleenlets_api() -> None:
    log: list[Any] = []

    def worker() -> None:
        start = time.monotonic()
        gleenlet.sleep(0.05)
        check(0.05, since=start)
        log.append(gleenlet.spawn(lambda: (gleenlet.sleep(0.01), "task")[1]).result())
        with gevent.Timeout(0.02, False):
            gleenlet.sleep(5)
            log.append("not reached")
        from gleenlet._core import Waiter

        waiter = Waiter()
        GLib.timeout_add(5, lambda: waiter.wake("woken") and False)
        log.append(waiter.wait())
        try:
            Waiter(0.01).wait()
        except TimeoutError:
            log.append("TimeoutError")

    gevent.spawn(worker).get()
    assert log == ["task", "woken", "TimeoutError"], log
    victim = gevent.spawn(gleenlet.sleep, 10)
    gevent.sleep(0.01)
    victim.kill()
    assert victim.dead
    assert gleenlet.get_hub()._timers == 0
    others = [gevent.spawn(gleenlet.sleep, 0.02) for _ in range(50)]
    gevent.joinall(others, raise_error=True)


@in_gevent()
def test_a_greenlet_uses_signals_calls_and_queues() -> None:
    def worker() -> Any:
        counter = Counter()
        GLib.timeout_add(10, lambda: counter.emit("open", 5))
        assert gleenlet.wait_signal(counter, "open") == (5,)
        queue: gleenlet.Queue[str] = gleenlet.Queue()
        gleenlet.spawn(lambda: (gleenlet.sleep(0.01), queue.put("item")))
        assert queue.get() == "item"
        info = gleenlet.call(Gio.File.new_for_path("/").query_info_async, "*", Gio.FileQueryInfoFlags.NONE, 0)
        assert info.get_name() == "/"
        return "all"

    assert gevent.spawn(worker).get() == "all"


@in_gevent()
def test_a_task_waits_in_gevents_api() -> None:
    log: list[Any] = []

    def task() -> Any:
        start = time.monotonic()
        gevent.sleep(0.05)
        check(0.05, since=start)
        queue = gevent.queue.Queue()
        gevent.spawn_later(0.01, queue.put, "item")
        log.append(queue.get())
        with gevent.Timeout(0.02, False):
            gevent.sleep(5)
            log.append("not reached")
        gleenlet.sleep(0.001)
        log.append(gevent.spawn(lambda: (gevent.sleep(0.01), "greenlet")[1]).get())
        server = gevent.socket.socket()
        server.bind(("127.0.0.1", 0))
        server.listen()
        gevent.spawn(lambda: gevent.socket.create_connection(server.getsockname()).sendall(b"data"))
        connection, _ = server.accept()
        log.append(connection.recv(10))
        for _ in range(100):
            gevent.sleep(0)
            gleenlet.sleep(0)
        return log

    assert gleenlet.run(task) == ["item", "greenlet", b"data"], log
    check(0.05)
    tasks = [gleenlet.spawn(task) for _ in range(5)]
    until(lambda: all(t.done() for t in tasks))  # the other way round: gevent's main greenlet drives


@in_gevent()
def test_a_task_that_waits_in_gevent_is_cancelled() -> None:
    def main() -> Any:
        task = gleenlet.spawn(gevent.sleep, 10)
        gleenlet.sleep(0.01)
        task.cancel()
        try:
            task.result()
        except gleenlet.Cancelled:
            return "cancelled"

    assert gleenlet.run(main) == "cancelled"
    check(0.01)
    gevent.sleep(0.01)


@in_gevent()
def test_a_task_on_a_socket_has_its_turn_about_as_soon_as_a_greenlet() -> None:
    """gevent's hub resumes a task; the task runs later, and its level-triggered watcher fires until then."""
    a, b = gevent.socket.socketpair()

    def pong() -> None:
        while data := b.recv(1):
            b.sendall(data)

    def waits() -> Any:  # of libev, in each of some round trips: a lower quartile of them
        trips: list[Any] = []
        for _ in range(200):
            before = _libev.waits()
            a.sendall(b"x")
            a.recv(1)
            trips.append(_libev.waits() - before)
        return sorted(trips)[50]

    from gleenlet.gevent import _libev

    gevent.spawn(pong)
    greenlets, tasks = gevent.spawn(waits).get(), gleenlet.run(waits)
    assert tasks <= 10 * max(greenlets, 1), (tasks, greenlets)  # hundreds, for a whole slice of gevent's


@in_gevent()
def test_where_a_task_is_the_first_to_use_gevent_its_greenlets_are_not_the_tasks() -> None:
    def work(waits: Any) -> None:
        seen.append(gleenlet.current_task())
        try:
            waits(0.001)
            seen.append("on its own")
        finally:
            ended.set()

    def main() -> None:
        greenlets.extend(gevent.spawn(work, waits) for waits in (gleenlet.sleep, gevent.sleep))
        gevent.sleep(0)
        gleenlet.sleep(1000)  # while it is cancelled they wait

    def cancel() -> None:
        while len(seen) < 2:
            gleenlet.sleep(0)
        task.cancel()
        while not all(greenlet.dead for greenlet in greenlets):
            ended.wait()
            gleenlet.sleep(0)

    seen: list[object] = []
    greenlets: list[Any] = []
    ended = gleenlet.Event()
    task = gleenlet.spawn(main)
    gleenlet.run(cancel)
    assert task.cancelled()
    assert seen == [None, None, "on its own", "on its own"], seen

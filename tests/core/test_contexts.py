"""Which context a thread drives: the application's is the main thread's, another thread has one of its own."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from gi.repository import Gio, GLib

from child import in_child
from gleenlet import (
    GleenletError,
    UnsafeSwitchError,
    call,
    from_thread,
    get_hub,
    green,
    run,
    sleep,
    spawn,
    to_thread,
    wait_signal,
)

T = TypeVar("T")


def in_thread(func: Callable[..., T], *args: Any) -> T:
    """Call it in a fresh thread while no loop runs here."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(func, *args).result()


def test_a_wait_in_another_thread_runs_no_callback_of_the_applications() -> None:
    threads: list[threading.Thread] = []
    GLib.idle_add(lambda: threads.append(threading.current_thread()))
    in_thread(sleep, 0.001)
    assert threads == []
    sleep(0.001)
    assert threads == [threading.current_thread()]


def test_tasks_waits_and_operations_of_another_thread_run_there() -> None:
    def works() -> tuple[object, ...]:
        me = threading.current_thread()
        action = Gio.SimpleAction.new("x", None)
        emitter = spawn(action.emit, "activate", None)
        assert wait_signal(action, "activate") == (None,)
        emitter.join()
        name = call(
            Gio.File.new_for_path("/").query_info_async, "standard::name", Gio.FileQueryInfoFlags.NONE
        ).get_name()
        return name, spawn(threading.current_thread).result() is me, run(threading.current_thread) is me

    assert in_thread(works) == ("/", True, True)
    assert to_thread(works) == ("/", True, True)


def test_the_application_goes_on_while_another_thread_waits() -> None:
    hubs: list[object] = []

    def works() -> str:
        hubs.append(get_hub())
        sleep(0.001)
        return from_thread(lambda: hubs.append(get_hub()) or threading.current_thread().name)

    assert spawn(to_thread, works).result() == threading.main_thread().name
    assert hubs[0] is not hubs[1]
    assert hubs[1] is get_hub()


def test_a_thread_that_runs_the_default_context_keeps_it() -> None:
    seen: list[object] = []

    def works() -> None:
        loop = GLib.MainLoop()

        def idle() -> None:
            spawn(lambda: seen.append(threading.current_thread()) or loop.quit())

        GLib.idle_add(idle)
        loop.run()

    thread = threading.Thread(target=works)
    thread.start()
    thread.join()
    assert seen == [thread]


def test_a_thread_that_has_pushed_the_default_context_keeps_it() -> None:
    def works() -> bool:
        default = GLib.MainContext.default()
        default.push_thread_default()
        ran: list[int] = []
        GLib.idle_add(ran.append, 1)
        while not ran:
            sleep(0.001)
        default.pop_thread_default()
        return True

    assert in_thread(works)


def test_a_context_of_the_threads_is_left_alone() -> None:
    def works() -> bool:
        context = GLib.MainContext.new()
        context.push_thread_default()
        sleep(0)
        same = GLib.MainContext.get_thread_default() == context
        context.pop_thread_default()
        return same

    assert in_thread(works)


@in_child(says="too small None")
def test_a_hub_that_cannot_be_made_leaves_no_context() -> None:
    def thread() -> None:
        with pytest.raises(GleenletError):
            sleep(0)
        print("too small", GLib.MainContext.get_thread_default())

    threading.stack_size(128 * 1024)
    one = threading.Thread(target=thread)
    one.start()
    one.join()


def test_threads_that_waited_leave_no_descriptor() -> None:
    def descriptors_after(count: int) -> int:
        for _ in range(count):
            in_thread(sleep, 0)
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = descriptors_after(5)
    assert descriptors_after(50) - before < 10


def test_a_task_that_no_loop_ever_ran_is_told_of_when_its_thread_ends(recwarn: pytest.WarningsRecorder) -> None:
    def never() -> None:
        raise AssertionError

    in_thread(lambda: (spawn(sleep, 0), green(never)()))
    texts = [str(one.message) for one in recwarn if one.category is RuntimeWarning]
    assert len(texts) == 1
    assert texts[0].startswith("sleep")
    assert ", never" in texts[0]
    assert "from_thread(func)" in texts[0]
    recwarn.clear()
    in_thread(lambda: (spawn(sleep, 1000), sleep(0)))  # this one had its turn
    assert not [one for one in recwarn if one.category is RuntimeWarning]


@in_child(says="1 None True\n2 None True", warns="...RuntimeWarning: sleep...")
def test_a_thread_of_c_codes_is_left_as_it_was_after_each_callback() -> None:
    glib, pointer = ctypes.CDLL("libglib-2.0.so.0"), ctypes.c_void_p

    def works(number: int, _: object) -> None:
        before = GLib.MainContext.get_thread_default()
        sleep(0.001)
        spawn(sleep, 0)
        print(number, before, GLib.MainContext.get_thread_default() is not None)

    callback = ctypes.CFUNCTYPE(None, pointer, pointer)(works)
    glib.g_thread_pool_new.restype = pointer
    pool = pointer(glib.g_thread_pool_new(callback, None, 1, 1, None))  # one thread, which Python does not know
    for number in (1, 2):
        glib.g_thread_pool_push(pool, pointer(number), None)
    glib.g_thread_pool_free(pool, 0, 1)


@in_child(says="end", warns="")
def test_daemon_threads_at_exit_are_left_alone() -> None:
    ready = threading.Event()

    def thread() -> None:
        spawn(int)
        ready.set()
        threading.Event().wait()

    threading.Thread(target=thread, daemon=True).start()
    ready.wait()
    print("end")


@in_child(says="startup\nactivate True\nactivate True")
def test_the_first_activate_of_an_application_and_the_second_behave_alike() -> None:
    def activate(app: Gio.Application) -> None:
        with pytest.raises(UnsafeSwitchError) as caught:
            sleep(0)
        print("activate", "activate (" in str(caught.value))

    def startup(app: Gio.Application) -> None:
        app.hold()
        GLib.idle_add(app.activate)
        spawn(lambda: sleep(0.01) or app.release())
        with pytest.raises(UnsafeSwitchError):
            sleep(0)
        print("startup")

    app = Gio.Application()
    app.connect("activate", activate)
    app.connect("startup", startup)
    app.run(None)
    sleep(0)


def test_a_callback_of_c_code_at_top_level_may_wait() -> None:
    action = Gio.SimpleAction.new("x", None)
    action.connect("notify::enabled", lambda *_: sleep(0))
    action.set_enabled(False)

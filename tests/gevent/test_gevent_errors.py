"""gleenlet.gevent: how errors, interrupts and a destroyed hub end."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import Gio, GLib

pytest.importorskip("gevent")

import gevent

import gleenlet.gevent
from descriptors import take_all_descriptors
from inside_gevent import check, in_gevent, loop

ENDS: dict[str, Callable[[], object]] = {
    "KeyboardInterrupt": lambda: fail(KeyboardInterrupt()),
    "SystemExit": lambda: fail(SystemExit(3)),
    "LoopExit": lambda: gevent.get_hub().destroy(),
    "ValueError": lambda: gevent.get_hub().parent.throw(ValueError("thrown")),
}


def fail(error: BaseException) -> None:
    raise error


@in_gevent()
@pytest.mark.parametrize("error", ENDS)
def test_an_error_for_the_main_greenlet_ends_the_application(error: str) -> None:
    def worker() -> None:
        gevent.sleep(0.02)
        ENDS[error]()

    gevent.get_hub().exception_stream = None
    app = Gio.Application(application_id="org.gleenlet.Test", flags=Gio.ApplicationFlags.NON_UNIQUE)
    app.connect("activate", lambda app: (app.hold(), gevent.spawn(worker)))
    with pytest.raises(BaseException) as caught:
        gleenlet.gevent.run(app.run, [])
    assert type(caught.value).__name__ == error
    check(0.02)
    gevent.sleep(0.02)  # gevent still works


@in_gevent(says="went on", warns="...ValueError: reported...")
def test_an_ordinary_error_in_a_greenlet_is_reported_and_the_application_goes_on() -> None:
    gevent.spawn(fail, ValueError("reported"))
    gevent.spawn_later(0.05, loop.quit)
    gleenlet.gevent.run(loop.run)
    print("went on")


@in_gevent(says="went on", warns="...ValueError: for the main greenlet...", status=3)
def test_an_error_for_a_main_greenlet_that_runs_a_bare_loop_is_reported_and_system_exit_exits() -> None:
    gevent.get_hub().exception_stream = None
    gevent.spawn_later(0.01, gevent.get_hub().parent.throw, ValueError("for the main greenlet"))
    gevent.spawn_later(0.05, print, "went on")
    gevent.spawn_later(0.06, sys.exit, 3)
    loop.run()


@in_gevent()
def test_an_exception_of_the_callable_itself_comes_out_of_run() -> None:
    def main() -> None:
        gevent.sleep(0.01)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        gleenlet.gevent.run(main)


@in_gevent()
def test_the_hub_is_destroyed_in_a_glib_callback_and_a_new_one_takes_over() -> None:
    log: list[Any] = []

    def destroy() -> None:
        gevent.get_hub().destroy()
        gevent.spawn(lambda: (gevent.sleep(0.01), log.append("new"), loop.quit()))

    gevent.spawn(gevent.sleep, 100)
    GLib.timeout_add(30, destroy)
    gleenlet.gevent.run(loop.run)
    assert log == ["new"]
    gevent.get_hub().destroy(destroy_loop=True)
    gevent.sleep(0.01)
    another = GLib.MainLoop()
    gevent.spawn_later(0.02, another.quit)
    another.run()


@in_gevent()
def test_keyboard_interrupt_reaches_the_waiting_main_greenlet() -> None:
    gevent.get_hub().exception_stream = None
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        gevent.sleep(100)
    except KeyboardInterrupt:
        check(0.05)
    else:
        sys.exit("slept")


@in_gevent()
def test_keyboard_interrupt_ends_a_running_loop() -> None:
    gevent.spawn(gevent.sleep, 100)
    gevent.get_hub().exception_stream = None
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        gleenlet.gevent.run(loop.run)
    except KeyboardInterrupt:
        check(0.05)
    else:
        sys.exit("no interrupt")


@in_gevent(says="went on", warns="...ValueError: in a callback...KeyboardInterrupt: in a callback...", status=4)
def test_an_error_in_a_glib_callback_is_printed_and_system_exit_exits() -> None:
    GLib.timeout_add(10, fail, ValueError("in a callback"))
    GLib.timeout_add(20, fail, KeyboardInterrupt("in a callback"))
    gevent.spawn_later(0.06, print, "went on", flush=True)
    GLib.timeout_add(100, fail, SystemExit(4))
    gleenlet.gevent.run(loop.run)


@in_gevent()
def test_where_no_descriptor_is_free_the_loop_is_an_error_and_libev_does_not_end_the_process() -> None:
    taken = take_all_descriptors()
    with pytest.raises(OSError) as caught:
        gevent.get_hub()
    assert caught.value.errno == errno.EMFILE
    for fd in taken:
        os.close(fd)
    gevent.sleep(0.02)
    check(0.02)


@in_gevent()
def test_the_look_for_descriptors_needs_no_hub_where_os_close_does() -> None:
    """As gevent 26 has it, once all is patched."""

    def closes(fd: int) -> None:
        gevent.get_hub()
        close(fd)

    close = os.close
    os.close = closes
    gevent.sleep(0.02)
    check(0.02)

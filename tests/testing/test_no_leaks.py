"""no_leaks names each thing that a block leaves over, with the line where it was made."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi
import pytest

gi.require_version("Gdk", "4.0")
gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GLib, GObject

from gleenlet import Event, get_hub, run, sleep, spawn
from gleenlet.testing import no_leaks

KEPT: list[Any] = []


pytestmark = pytest.mark.usefixtures("little_to_collect")  # which no_leaks does, again and again


def a_task() -> Callable[[], object]:
    return spawn(Event().wait, name="stuck").cancel


def a_timeout() -> Callable[[], object]:
    number = GLib.timeout_add(1_000_000, lambda: True)
    return lambda: GLib.source_remove(number)


def a_source() -> Callable[[], object]:
    source = GLib.timeout_source_new(1_000_000)
    source.attach(None)
    return source.destroy


def a_handler() -> Callable[[], object]:
    store = Gio.ListStore.new(Gio.SimpleAction)
    handler = store.connect("items-changed", print)
    return lambda: store.disconnect(handler)


def a_descriptor() -> Callable[[], object]:
    reader, writer = os.pipe()
    return lambda: (os.close(reader), os.close(writer))


def a_thread() -> Callable[[], object]:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="busy")
    thread.start()
    return lambda: (over.set(), thread.join())


def a_child() -> Callable[[], object]:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "read x"], os.environ)
    return lambda: (os.kill(pid, 9), os.waitpid(pid, 0))


def a_file() -> Callable[[], object]:
    return Path(__file__).open().close


def a_socket() -> Callable[[], object]:
    ours, theirs = socket.socketpair()
    return lambda: (ours.close(), theirs.close())


def a_popen() -> Callable[[], object]:
    child = subprocess.Popen(["sh", "-c", "read x"], stdin=subprocess.PIPE)
    return lambda: child.communicate(b"\n")


def a_failure() -> Callable[[], object]:
    spawn(int, "x", name="number")
    return lambda: None


def a_held_failure() -> Callable[[], object]:
    KEPT.append(spawn(int, "x", name="number"))
    return KEPT.clear


LEAKS = {
    a_task: "task <Task 'stuck' waiting for Event.wait>, made at .*test_no_leaks",
    a_timeout: r"GLib source \d+, .*made at .*test_no_leaks",
    a_source: r"GLib source \d+, .*made at .*test_no_leaks",
    a_handler: "handler of items-changed at a ListStore, made at .*test_no_leaks",
    a_descriptor: r"descriptor \d+, pipe:.*, made at .*test_no_leaks",
    a_file: r"descriptor \d+, /.*test_no_leaks.py, made at .*test_no_leaks",
    a_socket: r"descriptor \d+, socket:.*, made at .*test_no_leaks",
    a_thread: "thread 'busy', made at .*test_no_leaks",
    a_child: r"child process \d+, made at .*test_no_leaks",
    a_popen: r"child process \d+, made at .*test_no_leaks",
    a_failure: "failure that nobody waited for, ValueError.* in <Task 'number' failed>",
    a_held_failure: "failure that nobody waited for, ValueError.* in <Task 'number' failed>, made at .*test_no_leaks",
}


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_what_is_left_over_is_named(leak: Callable[[], Callable[[], object]]) -> None:
    with pytest.raises(AssertionError, match=LEAKS[leak]), no_leaks():
        clean_up = leak()
    clean_up()
    if leak not in (a_failure, a_held_failure):
        with no_leaks():
            leak()()


def test_no_leaks_works_in_a_task_too() -> None:
    def main() -> None:
        with pytest.raises(AssertionError, match="'stuck'"), no_leaks():
            clean_up = a_task()
        clean_up()
        with no_leaks():
            spawn(sleep, 0).join()

    run(main)


def test_kinds_are_ignored_on_request() -> None:
    with no_leaks(ignore=["tasks"]):
        clean_up = a_task()
    clean_up()


def test_a_windows_place_is_told(display: None) -> None:
    from gi.repository import Gtk

    with (
        pytest.raises(AssertionError, match=r"window 'left', a Window, made at .*test_no_leaks"),
        no_leaks(ignore=["descriptors", "threads"]),
    ):
        window = Gtk.Window(title="left")
    window.destroy()


def test_an_exception_of_the_block_comes_first() -> None:
    clean_up: list[Callable[[], object]] = []
    with pytest.raises(LookupError), no_leaks():
        clean_up.append(a_timeout())
        raise LookupError
    clean_up[0]()


def test_everything_is_put_back_afterwards() -> None:
    before = made_with()
    with no_leaks():
        pass
    assert before == made_with()


def made_with() -> list[object]:
    names = (GLib, "timeout_add"), (GLib.Source, "attach"), (os, "pipe"), (io, "open"), (Gio.Subprocess, "new")
    classes = GObject.Object, socket.socket, threading.Thread, subprocess.Popen
    return [get_hub().on_error(None), *(vars(cls).copy() for cls in classes), *(getattr(*name) for name in names)]

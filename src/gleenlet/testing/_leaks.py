"""Nothing left over: what there is after a block and was not there before, with the line where it was made.

One function a kind of thing lists what there is; the difference is a leak.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import weakref
from collections.abc import Container, Iterator
from typing import Any

from gi.repository import GLib, GObject

from gleenlet import Task, current_task, get_hub, sleep
from gleenlet._core import signals_wake
from gleenlet.testing._made import Made
from gleenlet.testing._places import place
from gleenlet.testing._sources import name_of, sources_here
from gleenlet.testing._undo import SPAWNED, observed

__all__ = ["no_leaks"]

TOOLKITS = ("gleenlet", "[gtk", "[gdk", "[gio", "[glib", "GDK", "Gdk", "GTask")  # sources that are not the program's
KINDS = ("tasks", "sources", "handlers", "descriptors", "threads", "children", "windows", "failures")


class Left:
    """What a block makes, and what is left of it."""

    def __init__(self, ignore: Container[str]) -> None:
        self.hub = get_hub()
        self.ignore = ignore
        self.made = Made()
        self.places = self.made.places
        self.spawned: list[weakref.ref[Task[Any]]] = []
        self.failed: dict[int, str] = {}
        self.errors: list[BaseException] = []
        self.undo = contextlib.ExitStack()
        self.before: dict[str, dict[int, str]] = {}

    # ---- what there is ----

    def tasks(self) -> dict[int, str]:
        return {id(task): f"task {task!r}" for task in self.hub.tasks() if task is not current_task()}

    def sources(self) -> dict[int, str]:
        here = sources_here()
        found = {number: name_of(source) for number, source in here.look().items()}
        here.let_go()
        return {
            number: f"GLib source {number}, {name}"
            for number, name in found.items()
            if ("sources", number) in self.places or not name.startswith(TOOLKITS)
        }

    def handlers(self) -> dict[int, str]:
        found = {}
        for i, (ref, handler, signal) in enumerate(self.made.connected):
            obj = ref()
            if obj is not None and GObject.signal_handler_is_connected(obj, handler):
                found[i] = f"handler of {signal} at a {type(obj).__name__}"
        return found

    def descriptors(self) -> dict[int, str]:
        found = {}
        for name in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue  # the folder's own
            if target != "anon_inode:[eventfd]":  # GLib's, one a context, and some for good
                found[int(name)] = f"descriptor {name}, {target}"
        return found

    def threads(self) -> dict[int, str]:
        return {
            id(thread): f"thread {thread.name!r}"
            for thread in threading.enumerate()
            if not thread.name.startswith("gleenlet") and not isinstance(thread, threading._DummyThread)
        }

    def children(self) -> dict[int, str]:
        found = {}
        for thread in os.listdir("/proc/self/task"):
            try:
                with open(f"/proc/self/task/{thread}/children") as file:
                    found.update({int(pid): f"child process {pid}" for pid in file.read().split()})
            except OSError:
                continue  # it has ended, or the kernel tells nothing
        return found

    def windows(self) -> dict[int, str]:
        gtk = sys.modules.get("gi.repository.Gtk")
        if gtk is None or not gtk.is_initialized():
            return {}
        window: Any = gtk.Window
        toplevels = window.list_toplevels() if hasattr(window, "list_toplevels") else list(window.get_toplevels())
        found = {hash(one): f"window {one.get_title()!r}, a {type(one).__name__}" for one in toplevels}
        for one in toplevels:
            if hasattr(one, "get_dialogs"):  # one of libadwaita's, from 1.5 on; its dialogs are inside it
                found |= {hash(it): f"dialog {it.get_title()!r}, a {type(it).__name__}" for it in one.get_dialogs()}
        return found

    def failures(self) -> dict[int, str]:
        for ref in self.spawned:
            task = ref()
            if task is not None and "__del__" in type(task).__dict__:  # it has failed, and nobody has asked for that
                self.fail(task, task.exception())
        return self.failed

    def fail(self, task: Task[Any] | None, error: BaseException | None) -> None:
        assert error is not None
        self.errors.append(error)
        self.failed[len(self.errors)] = f"failure that nobody waited for, {error!r} in {task!r}"
        if task is not None:
            self.places["failures", len(self.errors)] = self.places.get(("tasks", id(task)), "?")

    # ---- where it was made ----

    def saw(self, event: int, item: Any) -> None:
        if event == SPAWNED:
            self.places["tasks", id(item)] = place()
            self.spawned.append(weakref.ref(item))

    # ---- begin and end ----

    def look(self) -> dict[str, dict[int, str]]:
        return {kind: dict(getattr(self, kind)()) for kind in KINDS if kind not in self.ignore}

    def begin(self) -> None:
        reader, writer = os.pipe()  # what the hub makes once, at its first use, is no leak
        self.hub.watch(reader, int)
        self.hub.unwatch(reader)
        os.close(reader)
        os.close(writer)
        with signals_wake(self.hub):
            pass
        settle(1)
        self.before = self.look()
        self.undo.enter_context(self.made.undo)
        self.made.look()
        self.undo.enter_context(observed(self.hub, self.saw))
        self.undo.callback(self.hub.on_error, self.hub.on_error(self.fail))

    def left(self) -> list[str]:
        settle(2)
        lines = []
        for kind, things in self.look().items():
            for key in sorted(things.keys() - self.before[kind].keys()):
                where = self.places.get((kind, key))
                lines.append(things[key] + (f", made at {where}" if where else ""))
        return lines


def settle(rounds: int) -> None:
    """Let end what is about to end, garbage of before and what that leaves in turn among it."""
    for done in range(rounds + 5):
        if not gc.collect() and done >= rounds:
            return
        if current_task() is not None:
            for _ in range(3):
                sleep(0)
        else:
            context = GLib.MainContext.ref_thread_default()
            for _ in range(1000):
                if not context.iteration(False):
                    break


@contextlib.contextmanager
def no_leaks(*, ignore: Container[str] = ()) -> Iterator[None]:
    """Fail if the block leaves something over: each thing is named, with the line where it was made.

    Tasks, GLib sources, signal handlers that Python connected to objects still alive, descriptors, threads, children,
    windows and libadwaita's dialogs inside them; and failures of tasks that nobody waited for.

    Args:
        ignore: kinds that are not looked at: "tasks", "sources", "handlers", "descriptors", "threads", "children",
            "windows", "failures".

    Raises: AssertionError: something is left. An exception of the block comes first.
    Thread: the hub's own.

    >>> from gleenlet import sleep, spawn
    >>> with no_leaks():
    ...     task = spawn(sleep, 10, name="forgotten")
    Traceback (most recent call last):
    AssertionError: left over:
      task <Task 'forgotten' waiting for timer>, made at ...
    >>> task.cancel()
    True
    """
    left = Left(ignore)
    with left.undo:
        left.begin()
        yield
        lines = left.left()
    if lines:
        raise AssertionError("left over:\n  " + "\n  ".join(lines)) from (left.errors[0] if left.errors else None)

"""cooperative_loops: main loops that tasks run become waits of those tasks. Here are GLib's and Gio's."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, Self

from gi.repository import Gio, GLib

from gleenlet._core import Waiter, may_wait
from gleenlet._glib.connection import from_any_thread
from gleenlet._glib.gtk_loops import GtkLoops
from gleenlet._glib.outside import run_outside
from gleenlet._glib.patches import Patches
from gleenlet._glib.turns import iterate, pending

__all__ = ["cooperative_loops"]

entered = 0
"""How many blocks are entered. The replacements stay a little longer: until the last wait of theirs is over."""

running: dict[GLib.MainLoop, list[Callable[..., None]]] = {}
"""How to end the waits that stand for this loop. Boxed types are equal where their pointers are."""


class cooperative_loops:
    """While the block runs, main loops that tasks run are waits of those tasks.

    `GLib.MainLoop.run`, `GLib.MainContext.iteration`, GTK 3's `Gtk.main`, `Gtk.main_iteration` and
    `Gtk.Dialog.run`, called in a task, nest no loop: the task waits until `quit` or the response, everything else
    goes on in the loop that runs, and several end in any order. `quit`, `is_running`, `pending`, `Gtk.main_quit`,
    `Gtk.main_level` and `Gtk.events_pending` follow. `Gio.Application.run` goes through `run_outside`. Outside tasks,
    and for other contexts than the task's, all is as before.

    It replaces these functions for the whole process, GTK's also where it is imported later, and puts them back when
    the last block is left. Loops that C code runs or quits, and methods that were bound before, stay as they are.

    Thread: any.

    >>> from gi.repository import GLib
    >>> from gleenlet import run, sleep, spawn
    >>> def dialog(name):
    ...     loop = GLib.MainLoop()
    ...     spawn(lambda: sleep(0) or loop.quit())
    ...     loop.run()
    ...     print(name, "closed")
    >>> with cooperative_loops():
    ...     run(dialog, "first")
    first closed
    """

    def __enter__(self) -> Self:
        global entered
        patches.hold()
        entered += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        global entered
        entered -= 1
        patches.release()


def waits(context: GLib.MainContext) -> bool:
    """May a loop of this context be a wait here? In a task, no callback on its stack, and the context is its own."""
    return bool(entered) and may_wait() and bool(context == GLib.MainContext.ref_thread_default())


def wait(waiter: Waiter) -> Any:
    with patches.held():  # so that quit reaches it, also after the block
        return waiter.wait()


def loop_run(original: Callable[..., None]) -> Callable[..., None]:
    def run(loop: GLib.MainLoop) -> None:
        if not waits(loop.get_context()):
            return original(loop)
        waiter = Waiter()
        wake = from_any_thread(waiter.wake)
        running.setdefault(loop, []).append(wake)
        try:
            return wait(waiter)  # type: ignore[no-any-return]  # None
        finally:
            others = running.get(loop, [])
            if wake in others:  # quit() has taken it away otherwise
                others.remove(wake)
                if not others:
                    del running[loop]

    return run


def loop_quit(original: Callable[..., None]) -> Callable[..., None]:
    def quit(loop: GLib.MainLoop) -> None:
        for wake in running.pop(loop, []):
            wake()
        original(loop)

    return quit


def loop_is_running(original: Callable[..., bool]) -> Callable[..., bool]:
    return lambda loop: loop in running or original(loop)


def context_iteration(original: Callable[..., bool]) -> Callable[..., bool]:
    def iteration(context: GLib.MainContext, may_block: bool = True) -> bool:
        return iterate(context, may_block) if waits(context) else original(context, may_block)

    return iteration


def context_pending(original: Callable[..., bool]) -> Callable[..., bool]:
    return lambda context: pending(context) if waits(context) else original(context)


def application_run(original: Callable[..., int]) -> Callable[..., int]:
    def run(application: Gio.Application, *args: Any, **kwargs: Any) -> int:
        # Not a wait: how often an application is held is its own secret.
        if waits(GLib.MainContext.default()):
            return run_outside(original, application, *args, **kwargs)
        return original(application, *args, **kwargs)

    return run


def install(patches: Patches) -> None:
    def install_gtk(gtk: ModuleType) -> None:
        GtkLoops(gtk, waits, wait).install(patches)

    patches.replace(GLib.MainLoop, "run", loop_run)
    patches.replace(GLib.MainLoop, "quit", loop_quit)
    patches.replace(GLib.MainLoop, "is_running", loop_is_running)
    patches.replace(GLib.MainContext, "iteration", context_iteration)
    patches.replace(GLib.MainContext, "pending", context_pending)
    patches.replace(Gio.Application, "run", application_run)
    patches.when_imported("gi.repository.Gtk", install_gtk)


patches = Patches(install)

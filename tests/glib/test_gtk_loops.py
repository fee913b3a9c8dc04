"""cooperative_loops with GTK 3, whose main loops and dialogs are waits then, and with GTK 4, which has none of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import pytest
from gi.repository import GLib, GObject

from child import in_child
from gleenlet import Event, Task, cooperative_loops, run, sleep, spawn

P = ParamSpec("P")
R = TypeVar("R")

ticks: list[int] = []


def with_gtk(version: str, **options: Any) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Have a test run in a child with this GTK, where a loop that is nested in a task all the same is an error."""
    first = (
        "import warnings; warnings.simplefilter('error', RuntimeWarning)\n"
        f"import gi; gi.require_version('Gtk', {version!r})"
    )
    return in_child(first=first, display=True, env={"G_DEBUG": "fatal-warnings"}, **options)


def imported_gtk() -> Any:
    return importlib.import_module("gi.repository.Gtk")  # the stubs know GTK 4 only


@contextmanager
def loops_are_waits() -> Iterator[Any]:
    """The block is entered, then Gtk is imported, and a task goes on beside the test."""

    def tick() -> None:
        while True:
            sleep(0.001)
            ticks.append(1)

    with cooperative_loops():
        ticker = spawn(tick)
        yield imported_gtk()
        ticker.cancel()


def until(condition: Callable[[], object]) -> None:
    while not condition():
        sleep(0.001)


def ticked(func: Callable[[], R]) -> R:
    """What it returns, and that others went on meanwhile."""
    begun = len(ticks)
    result = func()
    assert len(ticks) > begun
    return result


def soon(func: Callable[[], object]) -> Task[None]:
    """Call it when others have gone on."""
    begun = len(ticks)

    def call() -> None:
        until(lambda: len(ticks) > begun + 1)
        func()

    return spawn(call)


@pytest.mark.parametrize("gtk_first", [False, True], ids=["imported later", "imported before"])
@with_gtk("3.0")
def test_gtk_3_dialogs_are_waits_and_end_in_any_order(gtk_first: bool) -> None:
    if gtk_first:
        imported_gtk()
    dialogs: dict[str, Any] = {}
    log: list[object] = []

    with loops_are_waits() as Gtk:

        def ask(name: str) -> None:
            dialog = dialogs[name] = Gtk.MessageDialog(text=name, buttons=Gtk.ButtonsType.OK_CANCEL)
            response = dialog.run()
            log.append((name, response, dialog.get_modal(), dialog.get_visible()))
            dialog.destroy()

        def end_them() -> None:
            tasks = {name: spawn(ask, name) for name in ("first", "second", "hidden", "destroyed", "closed")}
            until(lambda: len(dialogs) == 5 and all(d.get_visible() and d.get_modal() for d in dialogs.values()))
            for name, end in (
                ("first", lambda dialog: dialog.response(Gtk.ResponseType.OK)),
                ("second", lambda dialog: dialog.response(Gtk.ResponseType.CANCEL)),
                ("closed", Gtk.Dialog.close),  # it is modal and on top
                ("hidden", Gtk.Dialog.hide),
                ("destroyed", Gtk.Dialog.destroy),
            ):
                end(dialogs[name])
                tasks[name].join()

        def main() -> None:
            try:
                ticked(end_them)
            finally:
                Gtk.main_quit()

        task = spawn(main)
        Gtk.main()
        task.result()
        assert Gtk.main_level() == 0
    assert log == [
        ("first", Gtk.ResponseType.OK, False, True),
        ("second", Gtk.ResponseType.CANCEL, False, True),
        ("closed", Gtk.ResponseType.DELETE_EVENT, False, True),
        ("hidden", Gtk.ResponseType.NONE, False, False),
        ("destroyed", Gtk.ResponseType.NONE, True, False),
    ]


@with_gtk("3.0")
def test_gtk_3_a_cancelled_dialog_is_given_back_as_it_was() -> None:
    def main() -> None:
        dialog = Gtk.Dialog()
        task = spawn(dialog.run)
        until(dialog.get_visible)
        assert dialog.get_modal()
        task.cancel()
        task.join()
        assert (task.cancelled(), dialog.get_modal(), dialog.get_visible()) == (True, False, True)
        signal = GObject.signal_lookup("response", Gtk.Dialog)
        assert not GObject.signal_has_handler_pending(dialog, signal, 0, True)

    with loops_are_waits() as Gtk:
        run(main)


@with_gtk("3.0")
def test_gtk_3_main_and_main_quit_and_main_level_in_tasks() -> None:
    log: list[object] = []

    with loops_are_waits() as Gtk:

        def runs(name: str) -> None:
            log.append((name, Gtk.main_level()))
            Gtk.main()
            log.append(f"{name} is over")

        def runs_nested() -> None:
            """In a callback: as before, and the innermost one."""
            GLib.idle_add(lambda: log.append(("nested", Gtk.main_level())) or Gtk.main_quit())
            Gtk.main()
            nested_is_over.set()

        def main() -> None:
            tasks = [spawn(runs, "one"), spawn(runs, "two")]
            until(lambda: Gtk.main_level() == 3)
            log.append(("depth", GLib.main_depth()))
            Gtk.main_quit()
            Gtk.main_quit()  # asks the same one
            tasks[1].join()
            log.append(("left", Gtk.main_level()))
            GLib.idle_add(runs_nested)
            nested_is_over.wait()
            log.append(("left", Gtk.main_level()))
            Gtk.main_quit()
            tasks[0].join()
            log.append(("left", Gtk.main_level()))
            Gtk.main_quit()

        nested_is_over = Event()
        task = spawn(main)
        Gtk.main()
        task.result()
        log.append(("left", Gtk.main_level()))
    assert log == [
        ("one", 1),
        ("two", 2),
        ("depth", 1),
        "two is over",
        ("left", 2),
        ("nested", 3),
        ("left", 2),
        "one is over",
        ("left", 1),
        ("left", 0),
    ]
    assert "main_level" not in vars(Gtk)
    assert Gtk.main.__module__ == "gi.overrides.Gtk"


@with_gtk("3.0")
def test_gtk_3_iterations_in_a_task() -> None:
    log: list[object] = []

    with loops_are_waits() as Gtk:

        def pump() -> None:
            while log[-1] != "late":
                Gtk.main_iteration_do(True)

        def with_a_main() -> None:
            for i in range(3):
                GLib.idle_add(log.append, i)
            while Gtk.events_pending():
                Gtk.main_iteration()
            log.append("nothing is pending")
            soon(lambda: GLib.idle_add(log.append, "late"))
            ticked(pump)
            log.append(("the main runs", Gtk.main_iteration_do(False)))
            Gtk.main_quit()
            log.append(("the main was told to quit", Gtk.main_iteration_do(False)))

        def without() -> None:
            log.append(("no main", Gtk.main_iteration_do(False)))
            other = spawn(Gtk.main)
            until(Gtk.main_level)
            log.append(("a main in a task", Gtk.main_iteration_do(False)))
            Gtk.main_quit()
            other.join()

        task = spawn(with_a_main)
        Gtk.main()
        task.result()
        run(without)
        log.append(("outside tasks", Gtk.main_iteration_do(False)))
        Gtk.Window().show()
        while Gtk.events_pending():
            Gtk.main_iteration()
    assert log == [
        0,
        1,
        2,
        "nothing is pending",
        "late",
        ("the main runs", False),
        ("the main was told to quit", True),
        ("no main", True),
        ("a main in a task", False),
        ("outside tasks", True),
    ]


@with_gtk("3.0")
def test_gtk_3_a_native_dialog_runs_outside() -> None:
    def main() -> None:
        dialog = Gtk.FileChooserNative.new("title", None, Gtk.FileChooserAction.OPEN, None, None)
        spawn(lambda: until(dialog.get_visible) or soon(dialog.hide))
        assert ticked(dialog.run) == Gtk.ResponseType.NONE

    with loops_are_waits() as Gtk:
        run(main)


@with_gtk("3.0")
def test_gtk_3_outside_tasks_dialogs_are_nested_as_before() -> None:
    depths: list[int] = []

    with loops_are_waits() as Gtk:
        dialog = Gtk.Dialog()
        GLib.idle_add(lambda: depths.append(GLib.main_depth()) or dialog.response(7))
        assert dialog.run() == 7
    assert depths == [1]


@with_gtk("4.0", bus=True, says="frames")
def test_gtk_4_has_nothing_to_replace_and_its_windows_live_on_under_a_loop_in_a_task() -> None:
    frames: list[int] = []

    def activate(app: Any) -> None:
        window = Gtk.ApplicationWindow(application=app)
        window.add_tick_callback(lambda *_: frames.append(1) or True)
        window.present()
        spawn(work, window)

    def work(window: Any) -> None:
        loop = GLib.MainLoop()

        def watch() -> None:
            begun = len(frames)
            until(lambda: len(frames) >= begun + 3)
            loop.quit()

        spawn(watch)
        loop.run()
        assert len(frames) >= 3
        assert not hasattr(Gtk, "main")
        window.destroy()
        print("frames")

    with cooperative_loops():
        Gtk = imported_gtk()
        app = Gtk.Application()
        app.connect("activate", activate)
        app.run()

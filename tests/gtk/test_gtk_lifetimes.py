"""Tasks that end with a GTK 4 window, a widget, an application or any other GObject."""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Callable
from typing import Any

import gi
import pytest

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GObject, Gtk

from gleenlet import Event, GleenletError, sleep, spawn
from gleenlet.gtk import _ends, _lifetimes, ask, tasks_of
from inside import FOREVER, settle, used_in_another_thread
from watching import has_handler

pytestmark = pytest.mark.usefixtures("display", "no_task_left")


class Window(Gtk.Window):
    """A window with a child, whose method is its task."""

    def __init__(self) -> None:
        super().__init__()
        self.button = Gtk.Button()
        self.set_child(self.button)
        self.story: list[str] = []

    def work(self) -> None:
        self.story.append("begin")
        try:
            sleep(FOREVER)
        finally:
            self.story.append("end")


def nothing_watched() -> bool:
    """No life is open, and no handler of ours is left where all windows and the application share one."""
    return not _lifetimes.lives and not _ends.Shared.all


def gone(ref: weakref.ref[Any]) -> bool:
    settle()
    gc.collect()
    return ref() is None


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "never shown"])
@pytest.mark.parametrize("owner", ["window", "button"])
def test_closing_a_window_ends_its_tasks_and_leaves_nothing_alive(shown: bool, owner: str) -> None:
    window = Window()
    task = tasks_of(window if owner == "window" else window.button).spawn(window.work)
    if shown:
        window.present()
    settle()
    assert window.story == ["begin"]

    window.close()
    if not shown:
        window.destroy()  # close() is for windows that are to be seen
    settle()

    assert task.cancelled()
    assert window.story == ["begin", "end"]
    assert nothing_watched()
    ref = weakref.ref(window)
    del window, task
    assert gone(ref)


def test_a_window_closed_before_the_task_has_begun() -> None:
    window = Window()
    task = tasks_of(window).spawn(window.work)
    window.destroy()
    settle()
    assert task.cancelled()
    assert window.story == []
    assert nothing_watched()


def test_hiding_a_window_is_no_end() -> None:
    window = Window()
    window.present()
    task = tasks_of(window.button).spawn(window.work)
    settle()
    window.set_visible(False)
    settle()
    assert not task.done()
    window.destroy()
    settle()
    assert task.cancelled()


def test_a_task_started_in_init_goes_on_when_the_widget_is_realized() -> None:
    class Pane(Gtk.Box):
        def __init__(self) -> None:
            super().__init__()
            self.task = tasks_of(self).spawn(sleep, FOREVER)

    pane = Pane()
    settle()
    assert not pane.task.done()
    window = Gtk.Window(child=pane)
    window.present()
    settle()
    assert not pane.task.done()
    window.destroy()
    settle()
    assert pane.task.cancelled()


def test_a_widget_moved_to_another_parent_keeps_its_tasks_and_one_taken_out_does_not() -> None:
    one, other = Gtk.Window(), Gtk.Window()
    button = Gtk.Button()
    one.set_child(button)
    one.present()
    other.present()
    task = tasks_of(button).spawn(sleep, FOREVER)
    settle()

    one.set_child(None)
    other.set_child(button)
    settle()
    assert not task.done()

    one.destroy()
    settle()
    assert not task.done()  # its window is the other one now

    other.set_child(None)
    settle()
    assert task.cancelled()

    other.set_child(button)  # a second life
    task = tasks_of(button).spawn(sleep, FOREVER)
    settle()
    assert not task.done()
    other.destroy()
    settle()
    assert task.cancelled()
    assert nothing_watched()


def test_a_new_life_begins_while_the_last_one_still_ends() -> None:
    window, door = Gtk.Window(), Event()
    button = Gtk.Button()
    window.set_child(button)
    window.present()

    def stubborn() -> None:
        try:
            sleep(FOREVER)
        finally:
            door.wait()

    first = tasks_of(button).spawn(stubborn)
    settle()
    window.set_child(None)
    settle()
    assert not first.done()
    window.set_child(button)
    second = tasks_of(button).spawn(sleep, FOREVER)
    door.set()
    settle()
    assert first.cancelled()
    assert not second.done()
    window.destroy()
    settle()
    assert second.cancelled()
    assert nothing_watched()


def test_a_task_that_closes_its_own_window_ends_at_its_next_wait() -> None:
    window = Window()
    story = []

    def close() -> None:
        window.destroy()
        story.append("goes on")
        sleep(0)
        story.append("never")

    task = tasks_of(window).spawn(close)
    settle()
    assert story == ["goes on"]
    assert task.cancelled()


def test_an_unrealized_widget_that_is_dropped_ends_its_tasks() -> None:
    button = Gtk.Button()
    task = tasks_of(button).spawn(sleep, FOREVER)
    settle()
    del button
    settle()
    assert task.cancelled()
    assert nothing_watched()


def test_when_all_tasks_have_ended_no_handler_is_left_at_the_owner() -> None:
    window = Gtk.Window()
    task = tasks_of(window).spawn(sleep, 0)
    assert has_handler(window, "unrealize")
    task.join()
    assert not has_handler(window, "unrealize")
    assert nothing_watched()
    window.destroy()


def test_one_window_closes_and_the_tasks_of_the_other_go_on() -> None:
    one, other = Window(), Window()
    tasks = [tasks_of(window).spawn(window.work) for window in (one, other)]
    settle()
    one.destroy()
    settle()
    assert [task.done() for task in tasks] == [True, False]
    other.destroy()
    settle()
    assert tasks[1].cancelled()


def test_a_closed_window_and_what_is_in_it_are_refused_at_once() -> None:
    window = Window()
    tasks = tasks_of(window)
    window.destroy()
    for owner in (window, window.button):
        with pytest.raises(GleenletError, match="was closed"):
            tasks_of(owner)
    with pytest.raises(GleenletError, match="has ended"):
        tasks.spawn(print)


@pytest.mark.parametrize("owner", [None, "window", object(), Gtk.Window])
def test_an_owner_that_cannot_end_is_refused(owner: Any) -> None:
    with pytest.raises(TypeError, match="needs a widget, an application or another GObject"):
        tasks_of(owner)


def test_an_owner_whose_repr_fails_is_an_owner_all_the_same() -> None:
    class Hostile(Gtk.Window):
        def __repr__(self) -> str:
            raise ValueError("hostile")

    window = Hostile()
    tasks = tasks_of(window)
    assert tasks.spawn(max, 1, 2).result() == 2
    assert "Hostile object at" in repr(tasks)
    window.destroy()
    with pytest.raises(GleenletError, match=r"Hostile object at .* was closed"):
        tasks_of(window)


def test_what_cannot_be_called_is_refused_and_nothing_is_left() -> None:
    window: Any = Gtk.Window()
    with pytest.raises(TypeError):
        tasks_of(window).spawn("work")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        tasks_of(window).while_mapped("work")  # type: ignore[arg-type]

    async def coroutine() -> None: ...

    tasks = tasks_of(window)
    for start in (tasks.spawn, tasks.while_mapped, functools.partial(tasks.restart, "key")):
        with pytest.raises(TypeError, match="is a coroutine function"):
            start(coroutine)
    with pytest.raises(TypeError, match="hold=True needs an application"):
        tasks_of(window).spawn(print, hold=True)
    assert nothing_watched()
    window.destroy()


class Model(GObject.Object):
    """Has no end but that nobody holds it."""

    def work(self, *_: object) -> None:
        raise AssertionError


def test_any_other_object_ends_when_nobody_holds_it() -> None:
    model = Model()
    task = tasks_of(model).spawn(sleep, FOREVER)
    settle()
    assert not task.done()
    del model
    settle()
    assert task.cancelled()
    assert nothing_watched()


@pytest.mark.parametrize(
    "start",
    [
        lambda tasks, model: tasks.spawn(model.work),
        lambda tasks, model: tasks.spawn(print, model),
        lambda tasks, model: tasks.spawn(print, end=model),
        lambda tasks, model: tasks.spawn(functools.partial(model.work, 1)),
        lambda tasks, model: tasks.spawn(functools.partial(print, model)),
        lambda tasks, model: tasks.restart("key", model.work),
    ],
)
def test_a_task_that_would_keep_its_owner_from_ending_is_refused(start: Callable[[Any, Model], object]) -> None:
    model = Model()
    with pytest.raises(GleenletError, match="would keep"):
        start(tasks_of(model), model)
    assert nothing_watched()


def test_tasks_of_an_object_that_is_gone() -> None:
    model = Model()
    tasks = tasks_of(model)
    assert "Model" in repr(tasks)
    del model
    with pytest.raises(GleenletError, match="has ended"):
        tasks.spawn(print)


def test_restart_cancels_the_last_one_of_that_key_and_waits_for_its_end() -> None:
    window = Gtk.Window()
    story: list[str] = []

    def search(word: str) -> None:
        story.append(f"begin {word}")
        try:
            sleep(FOREVER if word != "last" else 0)
        except BaseException:
            sleep(0)  # takes its time to end
            story.append(f"cancelled {word}")
            raise
        story.append(f"found {word}")

    tasks = tasks_of(window)
    first = tasks.restart("search", search, "a")
    other = tasks.restart("another key", sleep, FOREVER)
    settle()
    second = tasks.restart("search", search, "b")
    last = tasks.restart("search", search, "last", name="the last one")
    assert (first.name[:6], last.name) == ("search", "the last one")
    settle()
    assert story == ["begin a", "cancelled a", "begin last", "found last"]
    assert first.cancelled()
    assert second.cancelled()
    assert not other.done()
    window.destroy()
    settle()
    assert nothing_watched()


def test_a_failure_is_reported_though_the_next_one_waits_for_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    window = Gtk.Window()

    def fail() -> None:
        try:
            sleep(FOREVER)
        finally:
            raise ZeroDivisionError("when cancelled")

    tasks = tasks_of(window)
    tasks.restart("key", fail)
    settle()
    tasks.restart("key", sleep, 0)
    settle()
    assert capsys.readouterr().err.count("ZeroDivisionError: when cancelled") == 1
    window.destroy()


def test_a_failure_that_is_waited_for_is_raised_there_and_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    window = Gtk.Window()
    with pytest.raises(ValueError, match="invalid literal"):
        tasks_of(window).spawn(int, "x").result()
    assert capsys.readouterr().err == ""
    window.destroy()


def test_while_mapped_runs_while_the_widget_is_to_be_seen() -> None:
    stack, story = Gtk.Stack(), []
    one, other = Gtk.Label(), Gtk.Label()
    stack.add_named(one, "one")
    stack.add_named(other, "other")
    window = Gtk.Window(child=stack)

    def watch(what: str) -> None:
        story.append(f"begin {what}")
        try:
            sleep(FOREVER)
        finally:
            story.append("end")

    task = tasks_of(one).while_mapped(watch, "watch")
    assert task.name == "watch while mapped"
    settle()
    assert story == []
    window.present()
    settle()
    assert story == ["begin watch"]
    stack.set_visible_child_name("other")
    settle()
    assert story == ["begin watch", "end"]
    stack.set_visible_child_name("one")
    stack.set_visible_child_name("other")  # nobody has seen it
    settle()
    assert story == ["begin watch", "end"]
    stack.set_visible_child_name("one")
    settle()
    assert story == ["begin watch", "end", "begin watch"]
    window.set_visible(False)
    settle()
    assert story == ["begin watch", "end"] * 2
    window.present()
    settle()
    window.destroy()
    settle()
    assert story == ["begin watch", "end"] * 3
    assert task.cancelled()
    assert not has_handler(one, "map")
    assert nothing_watched()


def test_while_mapped_starts_at_once_where_the_widget_is_mapped_and_ends_with_its_task() -> None:
    window, seen = Gtk.Window(), Event()
    window.present()
    settle()
    task = tasks_of(window).while_mapped(seen.set)
    settle()
    assert seen.is_set()
    assert not task.done()  # it is for the next time as well
    task.cancel()
    settle()
    assert task.cancelled()
    assert not has_handler(window, "map")
    window.destroy()


def test_while_mapped_needs_a_widget() -> None:
    model = Model()
    with pytest.raises(TypeError, match="needs a widget"):
        tasks_of(model).while_mapped(print)


def test_tasks_of_one_owner_belong_to_one_thread() -> None:
    models = [Model()]
    task = tasks_of(models[0]).spawn(sleep, FOREVER)
    error = used_in_another_thread(lambda: tasks_of(models[0]).spawn(print))
    assert isinstance(error, GleenletError)
    assert "another thread" in str(error)
    del error
    models.clear()
    gc.collect()
    settle()
    assert task.cancelled()


def test_the_last_reference_may_be_dropped_in_another_thread() -> None:
    box = [Model()]
    task = tasks_of(box[0]).spawn(sleep, FOREVER)
    assert used_in_another_thread(box.clear) is None
    settle()
    assert task.cancelled()


# ---- applications ----


def application() -> Gtk.Application:
    return Gtk.Application(application_id="org.example.Lifetimes", flags=Gio.ApplicationFlags.NON_UNIQUE)


def test_shutdown_waits_for_the_finally_of_the_applications_tasks_and_of_its_windows() -> None:
    story: list[str] = []

    def work(name: str) -> None:
        try:
            sleep(FOREVER)
        finally:
            sleep(0.01)
            story.append(f"{name} has put things away")

    def activate(app: Gtk.Application) -> None:
        window = Gtk.ApplicationWindow(application=app)
        window.present()
        tasks_of(app).spawn(work, "application")
        tasks_of(window).spawn(work, "window")
        spawn(quit_soon)

    def quit_soon() -> None:
        sleep(0)
        app.quit()

    app = application()
    app.connect("activate", activate)
    app.run(None)
    assert sorted(story) == ["application has put things away", "window has put things away"]
    assert nothing_watched()
    app.get_windows()[0].destroy()


def test_closing_the_last_window_waits_for_the_finally_of_its_tasks() -> None:
    story: list[str] = []

    def work() -> None:
        try:
            sleep(FOREVER)
        finally:
            sleep(0.01)
            story.append("put away")

    def activate(app: Gtk.Application) -> None:
        window = Gtk.ApplicationWindow(application=app)
        window.present()
        tasks_of(window).spawn(work)
        spawn(close, window)

    def close(window: Gtk.Window) -> None:
        sleep(0)
        window.close()

    app = application()
    app.connect("activate", activate)
    app.run(None)
    assert story == ["put away"]
    assert nothing_watched()


def test_a_task_that_does_not_end_within_the_grace_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ends, "GRACE", 0.02)
    door = Event()

    def stubborn() -> None:
        try:
            sleep(FOREVER)
        finally:
            door.wait()

    def activate(app: Gtk.Application) -> None:
        app.hold()
        tasks_of(app).spawn(stubborn, name="the stubborn one")
        spawn(app.quit)

    app = application()
    app.connect("activate", activate)
    with pytest.warns(RuntimeWarning, match="'the stubborn one'"):
        app.run(None)
    door.set()
    settle()
    assert nothing_watched()


def test_who_waits_for_a_dialog_goes_on_before_the_application_has_shut_down() -> None:
    answers: list[object] = []

    def activate(app: Gtk.Application) -> None:
        window = Gtk.ApplicationWindow(application=app)
        window.present()
        spawn(lambda: answers.append(ask(window, "Delete it?", buttons=["_Cancel", "_Delete"])))
        spawn(app.quit)

    app = application()
    app.connect("activate", activate)
    app.run(None)
    assert answers == [None]
    assert nothing_watched()
    app.get_windows()[0].destroy()


def test_a_task_holds_the_application_only_if_asked_to() -> None:
    story: list[str] = []

    def work(name: str) -> None:
        sleep(0.01)
        story.append(name)

    app = application()
    app.connect("activate", lambda app: tasks_of(app).spawn(work, "held", hold=True))
    app.run(None)
    assert story == ["held"]

    app = application()
    app.connect("activate", lambda app: tasks_of(app).spawn(work, "not held"))
    app.run(None)
    assert story == ["held"]
    assert nothing_watched()


def test_an_application_that_is_never_run_ends_when_nobody_holds_it() -> None:
    app = application()
    task = tasks_of(app).spawn(sleep, FOREVER)
    settle()
    assert not task.done()
    del app
    settle()
    gc.collect()
    settle()
    assert task.cancelled()
    assert nothing_watched()

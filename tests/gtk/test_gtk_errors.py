"""show_errors: what fails in a window is shown in it once, and still reported."""

from __future__ import annotations

import gc
import shutil
import weakref
from pathlib import Path
from typing import Any

import gi
import pytest

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GLib, GObject, Gtk

from child import run_script
from gleenlet import GleenletError, sleep, spawn
from gleenlet.gtk import _failures, _show_errors, handler, show_errors, tasks_of
from inside import crash, settle

pytestmark = pytest.mark.usefixtures("display", "no_task_left")


def dialogs() -> list[Gtk.Window]:
    return [window for window in list(Gtk.Window.get_toplevels()) if isinstance(window, Gtk.MessageDialog)]


def texts() -> list[tuple[str, str]]:
    return [(dialog.get_property("text"), dialog.get_property("secondary-text")) for dialog in dialogs()]


def dismiss() -> None:
    for dialog in dialogs():
        dialog.response(Gtk.ResponseType.CLOSE)  # type: ignore[attr-defined]
    settle()


def fails(text: str) -> None:
    sleep(0)
    raise ValueError(text)


@pytest.fixture
def window() -> Gtk.Window:
    window = Gtk.Window(child=Gtk.Button())
    show_errors(window, "It did not work")
    window.present()
    settle()
    return window


def test_a_failure_of_a_handler_in_the_window_is_shown_and_reported(
    window: Gtk.Window, capsys: pytest.CaptureFixture[str]
) -> None:
    button: Any = window.get_child()
    button.connect("clicked", handler(lambda _button: fails("no paper")))
    button.emit("clicked")
    settle()
    assert texts() == [("It did not work", "ValueError: no paper")]
    assert capsys.readouterr().err.count("ValueError: no paper") == 1
    dismiss()
    assert texts() == []
    window.destroy()


def test_several_failures_are_shown_one_after_the_other_and_the_same_text_once(window: Gtk.Window) -> None:
    tasks = tasks_of(window)
    for text in ("one", "two", "one"):
        tasks.spawn(fails, text)
    settle()
    assert texts() == [("It did not work", "ValueError: one")]
    dismiss()
    assert texts() == [("It did not work", "ValueError: two")]
    dismiss()
    assert texts() == []
    tasks.spawn(fails, "one")  # later it is news again
    settle()
    assert texts() == [("It did not work", "ValueError: one")]
    window.destroy()
    settle()
    assert texts() == []


def test_an_exception_that_went_through_several_tasks_is_shown_once(window: Gtk.Window) -> None:
    first = tasks_of(window).spawn(fails, "once")
    for _ in range(2):
        tasks_of(window).spawn(first.result)
    settle()
    dismiss()
    assert texts() == []
    window.destroy()


def test_what_somebody_waits_for_and_what_is_handled_is_not_shown(window: Gtk.Window) -> None:
    assert isinstance(tasks_of(window).spawn(fails, "asked for").exception(), ValueError)
    got = []
    handler(on_error=lambda _window, error: got.append(error))(lambda _window: fails("handled"))(window)
    tasks_of(window).spawn(crash, SystemExit(0)).cancel()
    settle()
    assert texts() == []
    assert len(got) == 1
    window.destroy()


def test_the_nearest_shows_it_and_the_last_heading_counts(window: Gtk.Window) -> None:
    button: Any = window.get_child()
    show_errors(button, "The button did not work")
    show_errors(window, "The window did not work")
    tasks_of(button).spawn(fails, "x")
    settle()
    assert texts() == [("The button did not work", "ValueError: x")]
    dismiss()
    tasks_of(window).spawn(fails, "x")
    settle()
    assert texts() == [("The window did not work", "ValueError: x")]
    dismiss()
    window.destroy()


def test_a_window_that_shows_errors_is_gone_when_it_is_closed(window: Gtk.Window) -> None:
    tasks_of(window).spawn(fails, "x")
    settle()
    closed = Gtk.Window()  # which the fixture does not hold
    show_errors(closed)
    tasks_of(closed).spawn(fails, "x")
    settle()
    assert len(texts()) == 2
    ref: weakref.ref[Any] = weakref.ref(closed)
    address = hash(closed)
    assert address in _failures.wanted
    closed.destroy()
    del closed
    settle()
    gc.collect()
    settle()
    assert ref() is None
    assert address not in _failures.wanted
    dismiss()
    window.destroy()


def test_an_application_shows_what_fails_in_it_in_the_active_window(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[str, str]] = []

    def main(app: Gtk.Application) -> None:
        early = tasks_of(app).spawn(fails, "the application, without a window")
        while not early.done():
            sleep(0)
        window = Gtk.ApplicationWindow(application=app)
        window.present()
        for owner in (app, window):
            tasks_of(owner).spawn(fails, type(owner).__name__)
            while not texts():
                sleep(0.001)
            seen.extend(texts())
            for dialog in dialogs():
                dialog.response(Gtk.ResponseType.CLOSE)  # type: ignore[attr-defined]
            while texts():
                sleep(0.001)
        app.quit()

    app = Gtk.Application(application_id="org.example.Errors", flags=Gio.ApplicationFlags.NON_UNIQUE)
    show_errors(app)
    app.connect("activate", lambda app: spawn(main, app))
    app.hold()
    app.run(None)
    assert seen == [
        ("Something went wrong", "ValueError: Application"),
        ("Something went wrong", "ValueError: ApplicationWindow"),
    ]
    assert "the application, without a window" in capsys.readouterr().err
    for window in app.get_windows():
        window.destroy()
    settle()


def test_a_failure_while_it_is_shown_is_reported_and_not_shown(
    window: Gtk.Window, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_show_errors, "tell", lambda *_: crash(GleenletError("no display")))
    tasks_of(window).spawn(fails, "x")
    settle()
    assert "no display" in capsys.readouterr().err
    window.destroy()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("x"), "ValueError: x"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (FileNotFoundError(2, "No such file", "a.txt"), "a.txt: No such file"),
        (OSError(28, "No space left"), "No space left"),
        (OSError("by hand"), "OSError: by hand"),
        (GLib.Error("from GLib"), "from GLib"),
        (ExceptionGroup("group", [ValueError("x"), GLib.Error("y")]), "ValueError: x\ny"),
    ],
)
def test_the_text_of_a_failure(error: Exception, text: str) -> None:
    assert _show_errors.text_of(error) == text


@pytest.mark.parametrize("wrong", [None, "window", GObject.Object()])
def test_only_widgets_and_applications_show_errors(wrong: Any) -> None:
    with pytest.raises(TypeError, match="needs a widget or an application"):
        show_errors(wrong)


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")
@pytest.mark.parametrize("toolkit", ["adw", "gtk3"])
def test_libadwaita_shows_a_toast_and_gtk_3_a_dialog(toolkit: str) -> None:
    program = Path(__file__).parent / "programs" / "errors.py"
    outcome = run_script(program, toolkit, display=True, env={"G_DEBUG": "fatal-warnings"})
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == "ok\n", outcome.stderr

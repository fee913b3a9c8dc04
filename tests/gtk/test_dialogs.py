"""Dialogs as calls: what they return, and that nothing is left of them, however they end."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gi.repository import Gio, GLib

from gleenlet import Cancelled, GleenletError, UnsafeSwitchError, get_hub, green, run, sleep, spawn
from gleenlet.gtk import (
    _ends,
    ask,
    open_file,
    open_files,
    pick_color,
    pick_font,
    run_dialog,
    save_file,
    select_folder,
    tell,
)
from inside import used_in_another_thread
from windows import (
    GTK3,
    Adw,
    Gdk,
    Gtk,
    Pango,
    buttons,
    dialogs,
    inside,
    new_window,
    opened,
    press,
    texts,
    until,
    windows,
)

pytestmark = [pytest.mark.usefixtures("display", "nothing_left")]

DIALOGS: dict[str, Callable[[Any], Any]] = {
    "ask": lambda parent: ask(parent, "Go?", buttons=["No", "Yes"]),
    "tell": lambda parent: tell(parent, "Done"),
    "open_file": open_file,
    "open_files": open_files,
    "save_file": save_file,
    "select_folder": select_folder,
    "pick_color": pick_color,
    "pick_font": pick_font,
}
every_dialog = pytest.mark.parametrize("call", DIALOGS.values(), ids=list(DIALOGS))


@pytest.fixture
def window() -> Iterator[Any]:
    before = windows()
    window = new_window()
    yield window
    window.destroy()
    del window
    gc.collect()  # a task that was cancelled is in a cycle with its traceback
    until(lambda: windows() <= before)


# ---- ask and tell ----


def test_ask_shows_its_texts_and_returns_the_button_that_was_pressed(window: Any) -> None:
    task, dialog = opened(lambda: ask(window, "Save it?", "It was changed.", buttons=["_Discard", "_Save"]))
    assert {"Save it?", "It was changed."} <= set(texts(dialog))
    assert {"_Discard", "_Save"} <= set(buttons(dialog))
    press(dialog, "_Save")
    assert task.result() == "_Save"
    assert dialogs() == []


def test_ask_returns_the_value_that_the_button_stands_for(window: Any) -> None:
    values = {"_Zero": 0, "_Nothing": None, "_List": [1]}
    for label, value in values.items():
        task, dialog = opened(lambda: ask(window, "Which?", buttons=values))
        press(dialog, label)
        assert task.result() is value


def test_ask_in_a_widget_of_the_window_and_without_any_parent(window: Any) -> None:
    for parent in next(one for one in inside(window) if isinstance(one, Gtk.DrawingArea)), None:
        task, dialog = opened(functools.partial(ask, parent, "Go?", buttons=["Yes"]))
        press(dialog, "Yes")
        assert task.result() == "Yes"


def test_default_and_destructive_buttons_are_shown_as_such(window: Any) -> None:
    task, dialog = opened(
        lambda: ask(window, "Delete?", buttons=["_Cancel", "_Delete"], default="_Cancel", destructive="_Delete")
    )
    classes = {
        one.get_label(): one.get_style_context().list_classes() if GTK3 else one.get_css_classes()
        for one in inside(dialog)
        if isinstance(one, Gtk.Button)
    }
    if Adw is not None or not hasattr(Gtk, "AlertDialog"):
        assert any("destructive" in name for name in classes["_Delete"])
        assert not any("destructive" in name for name in classes["_Cancel"])
    default = getattr(dialog, "get_default_widget", lambda: None)()
    if default is not None:
        assert default.get_label() == "_Cancel"
    press(dialog, "_Cancel")
    assert task.result() == "_Cancel"


def test_tell_returns_when_it_is_closed(window: Any) -> None:
    task, dialog = opened(lambda: tell(window, "Done", "All of it."))
    assert {"Done", "All of it."} <= set(texts(dialog))
    press(dialog, "_Close")
    assert task.result() is None


@pytest.mark.parametrize(
    ("buttons", "error"),
    [
        ("OK", TypeError),
        (None, TypeError),
        ([1], TypeError),
        ({None: "a"}, TypeError),
        ([], ValueError),
        ({}, ValueError),
        (["a", "a"], ValueError),
    ],
)
def test_buttons_that_make_no_question_are_refused(buttons: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="buttons must be"):
        ask(None, "Go?", buttons=buttons)


@pytest.mark.parametrize("name", ["default", "destructive"])
def test_a_button_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be one of the buttons, No, Yes, not 'Maybe'"):
        ask(None, "Go?", buttons=["No", "Yes"], **{name: "Maybe"})


@pytest.mark.parametrize("texts", [(None, ""), ("Go?", None), (b"Go?", "")])
def test_texts_that_are_none_are_refused(texts: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match=r"(heading|body) must be a str, not "):
        ask(None, *texts, buttons=["OK"])


@pytest.mark.parametrize("call", [open_file, open_files, save_file, select_folder, pick_color, pick_font])
def test_a_title_that_is_no_text_is_refused(call: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="title must be a str, not int"):
        call(None, title=3)


# ---- how a dialog ends ----


@every_dialog
def test_a_dialog_that_is_closed_gives_none(window: Any, call: Callable[[Any], Any]) -> None:
    task, dialog = opened(lambda: call(window))
    dialog.close()
    assert task.result() is None
    until(lambda: dialogs() == [])


@every_dialog
def test_cancelling_the_task_closes_the_dialog(window: Any, call: Callable[[Any], Any]) -> None:
    task, _ = opened(lambda: call(window))
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    until(lambda: dialogs() == [])


@every_dialog
def test_destroying_the_parent_gives_none_and_leaves_nothing(call: Callable[[Any], Any]) -> None:
    before = windows()
    window = new_window()
    task, dialog = opened(functools.partial(call, window))
    window.destroy()
    assert task.result() is None
    gone: list[int] = []
    window.weak_ref(gone.append, 1)
    del dialog, window, task
    gc.collect()
    until(lambda: gone and windows() <= before)
    assert not _ends.Shared.all


@every_dialog
def test_destroying_the_parent_in_the_same_turn_as_the_dialog_opens(call: Callable[[Any], Any]) -> None:
    window = new_window()
    task = spawn(call, window)
    get_hub().call_soon(window.destroy)
    assert task.result() is None
    until(lambda: dialogs() == [])


def close(dialog: Any) -> None:
    """As the user may in the moment before the dialog goes."""
    if dialog in windows() or (not isinstance(dialog, Gtk.Window) and dialog in dialogs()):
        dialog.close()


@every_dialog
def test_a_dialog_that_is_closed_twice_ends_once(window: Any, call: Callable[[Any], Any]) -> None:
    task, dialog = opened(lambda: call(window))
    close(dialog)
    close(dialog)
    assert task.result() is None
    until(lambda: dialogs() == [])


@every_dialog
def test_a_dialog_that_is_closed_after_its_parent_ends_once(call: Callable[[Any], Any]) -> None:
    window = new_window()
    task, dialog = opened(functools.partial(call, window))
    window.destroy()
    close(dialog)
    assert task.result() is None
    until(lambda: dialogs() == [])


@every_dialog
def test_a_dialog_that_is_closed_after_its_task_was_cancelled_ends_once(
    window: Any, call: Callable[[Any], Any]
) -> None:
    task, dialog = opened(lambda: call(window))
    task.cancel()
    spawn(close, dialog).join()  # runs after the task was told, in the same turn of the loop
    with pytest.raises(Cancelled):
        task.result()
    until(lambda: dialogs() == [])


@every_dialog
def test_a_parent_that_is_gone_is_refused_at_once(call: Callable[[Any], Any]) -> None:
    window = new_window()
    window.destroy()
    with pytest.raises(GleenletError, match="was closed, so no dialog can belong to it"):
        call(window)


@every_dialog
def test_a_parent_that_is_none_is_refused_at_once(call: Callable[[Any], Any]) -> None:
    with pytest.raises(GleenletError, match="is in no window"):
        call(Gtk.Label())
    with pytest.raises(TypeError, match="must be a window, a widget in one, or None, not str"):
        call("window")


def test_in_a_plain_callback_it_is_an_error_and_no_dialog_is_left(window: Any) -> None:
    errors: list[BaseException] = []

    def clicked(_: Any) -> None:
        try:
            tell(window, "Never seen")
        except UnsafeSwitchError as error:
            errors.append(error)

    button = Gtk.Button()
    button.connect("clicked", clicked)
    get_hub().call_soon(button.emit, "clicked")
    until(lambda: errors)
    until(lambda: dialogs() == [])


def test_other_tasks_and_a_second_dialog_go_on_beside_a_dialog(window: Any) -> None:
    log: list[Any] = []
    button = Gtk.Button()
    button.connect("clicked", green(lambda _: log.append(ask(window, "Go?", buttons=["Yes"]))))
    button.emit("clicked")
    until(dialogs)
    first = dialogs()[0]
    assert spawn(lambda: sleep(0.001) or "ran").result() == "ran"
    button.emit("clicked")
    until(lambda: len(dialogs()) == 2)
    press(first, "Yes")
    until(lambda: log == ["Yes"])
    press(dialogs()[0], "Yes")
    until(lambda: log == ["Yes", "Yes"])


# ---- files ----


def choose(dialog: Any, file: Path) -> None:
    """As the user does: again if the dialog has shown another folder meanwhile, which it reads in the background."""
    action = dialog.get_action()
    folder = file if action == Gtk.FileChooserAction.SELECT_FOLDER else file.parent
    while (chosen := dialog.get_file()) is None or chosen.get_path() != str(file):
        if action == Gtk.FileChooserAction.OPEN:
            dialog.set_file(Gio.File.new_for_path(str(file)))
        else:
            dialog.set_current_folder(str(folder) if GTK3 else Gio.File.new_for_path(str(folder)))
        if action == Gtk.FileChooserAction.SAVE:
            dialog.set_current_name(file.name)
        run(sleep, 0.1)


@pytest.mark.parametrize("call", [open_file, open_files, save_file, select_folder])
def test_the_file_that_was_chosen(window: Any, call: Callable[..., Any], tmp_path: Path) -> None:
    chosen = tmp_path / "folder" if call is select_folder else tmp_path / "new.txt"
    chosen.mkdir() if call is select_folder else call is save_file or chosen.write_text("x")
    task, dialog = opened(
        lambda: call(window, title="Choose", initial_folder=tmp_path, filters={"Text": ["*.txt", "text/plain"]})
    )
    assert dialog.get_title() == "Choose"
    choose(dialog, chosen)
    dialog.response(Gtk.ResponseType.ACCEPT)
    result = task.result()
    assert [file.get_path() for file in (result if call is open_files else [result])] == [str(chosen)]


def test_where_a_file_dialog_begins(window: Any, tmp_path: Path) -> None:
    task, dialog = opened(
        lambda: save_file(window, initial_folder=tmp_path, initial_name="it.txt", accept_label="_Keep")
    )
    until(lambda: (file := dialog.get_file()) is not None and file.get_path() == str(tmp_path / "it.txt"))
    assert "_Keep" in buttons(dialog)
    dialog.response(Gtk.ResponseType.CANCEL)
    assert task.result() is None


def test_filters_by_name_and_as_objects(window: Any) -> None:
    ready_made = Gtk.FileFilter()
    ready_made.set_name("All")
    ready_made.add_pattern("*")
    for filters, names in (({"Text": ["*.txt"], "C": ["*.c"]}, ["Text", "C"]), ([ready_made], ["All"])):
        task, dialog = opened(functools.partial(open_file, window, filters=filters))
        shown = dialog.list_filters() if GTK3 else list(dialog.get_filters())
        assert [one.get_name() for one in shown] == names
        dialog.close()
        assert task.result() is None


@pytest.mark.parametrize("filters", [["*.txt"], {"Text": "*.txt"}, {"Text": [3]}, {3: ["*.txt"]}, 3])
def test_filters_that_are_none_are_refused(filters: Any) -> None:
    with pytest.raises(TypeError, match="filters must be"):
        open_file(None, filters=filters)


# ---- colours and fonts ----


def test_the_color_that_was_picked(window: Any) -> None:
    red = Gdk.RGBA()
    red.parse("red")
    task, dialog = opened(lambda: pick_color(window, title="Ink", initial=red, alpha=False))
    assert dialog.get_title() == "Ink"
    dialog.response(Gtk.ResponseType.OK)
    assert task.result().to_string() == "rgb(255,0,0)"


def test_the_font_that_was_picked(window: Any) -> None:
    font = Pango.FontDescription.from_string("DejaVu Sans Bold 23")
    task, dialog = opened(lambda: pick_font(window, initial=font))
    until(lambda: (shown := dialog.get_font_desc()) is not None and shown.get_size() == 23 * Pango.SCALE)
    dialog.response(Gtk.ResponseType.OK)
    assert task.result().get_size() == 23 * Pango.SCALE  # the family is looked up in the background


# ---- run_dialog ----


@pytest.fixture
def dialog(window: Any) -> Iterator[Any]:
    dialog = Gtk.Dialog(title="mine", transient_for=window)
    dialog.add_button("_Apply", 7)
    yield dialog
    dialog.destroy()


def test_run_dialog_returns_the_response_and_can_be_called_again(dialog: Any) -> None:
    for _ in range(2):
        task, shown = opened(lambda: run_dialog(dialog))
        assert shown is dialog
        press(dialog, "_Apply")
        assert task.result() == 7
        assert not dialog.get_visible()


def test_a_dialog_that_is_closed_in_run_dialog_is_hidden_not_destroyed(dialog: Any) -> None:
    for _ in range(2):
        task, _ = opened(lambda: run_dialog(dialog))
        dialog.close()
        assert task.result() == Gtk.ResponseType.DELETE_EVENT
        assert not dialog.get_visible()
        assert dialog in Gtk.Window.list_toplevels()


def test_run_dialog_ends_when_the_dialog_is_destroyed(dialog: Any) -> None:
    task, _ = opened(lambda: run_dialog(dialog))
    dialog.destroy()
    assert task.result() == Gtk.ResponseType.NONE
    with pytest.raises(GleenletError, match="was destroyed: make a new one"):
        run_dialog(dialog)


def test_run_dialog_ends_when_the_parent_is_destroyed(window: Any, dialog: Any) -> None:
    task, _ = opened(lambda: run_dialog(dialog))
    window.destroy()
    assert task.result() == Gtk.ResponseType.NONE
    assert not dialog.get_visible()


def test_run_dialog_ends_when_the_dialog_is_hidden_and_can_be_called_again(dialog: Any) -> None:
    for _ in range(2):
        task, _shown = opened(lambda: run_dialog(dialog))
        dialog.set_visible(False)
        assert task.result(10) == Gtk.ResponseType.NONE


def test_a_handler_that_hides_the_dialog_leaves_it_its_response(dialog: Any) -> None:
    dialog.connect("response", lambda dialog, _: dialog.set_visible(False))
    for _ in range(2):
        task, _shown = opened(lambda: run_dialog(dialog))
        press(dialog, "_Apply")
        assert task.result(10) == 7


@pytest.mark.parametrize("end", ["hide", "destroy"])
def test_run_dialog_ends_when_a_native_dialog_is_hidden_or_destroyed(window: Any, end: str) -> None:
    native = Gtk.FileChooserNative(title="native", transient_for=window)
    task, _ = opened(lambda: run_dialog(native))
    getattr(native, end)()
    assert task.result(10) == Gtk.ResponseType.NONE
    native.destroy()


def test_run_dialog_cancelled_hides_the_dialog_and_leaves_no_handler(dialog: Any) -> None:
    task, _ = opened(lambda: run_dialog(dialog))
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    assert not dialog.get_visible()


def test_run_dialog_of_a_native_dialog(window: Any) -> None:
    native = Gtk.FileChooserNative(title="native", transient_for=window)
    for _ in range(2):
        task, shown = opened(lambda: run_dialog(native))
        shown.response(Gtk.ResponseType.CANCEL)
        assert task.result() == Gtk.ResponseType.CANCEL
        assert not native.get_visible()
    native.destroy()


@every_dialog
def test_a_dialog_of_another_thread_is_refused_before_anything_is_shown(call: Callable[[Any], Any]) -> None:
    error = used_in_another_thread(lambda: call(None))
    assert isinstance(error, GleenletError)
    assert "from_thread()" in str(error)


def test_run_dialog_in_another_thread_is_refused(dialog: Any) -> None:
    assert isinstance(used_in_another_thread(lambda: run_dialog(dialog)), GleenletError)


@pytest.mark.parametrize("thing", [None, "dialog", Gtk.Label])
def test_run_dialog_refuses_what_is_no_dialog(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"needs a Gtk\.Dialog or Gtk\.NativeDialog"):
        run_dialog(thing() if callable(thing) else thing)


def test_an_error_that_is_no_dismissal_is_raised(window: Any) -> None:
    from gleenlet.gtk._dialogs import choose

    file = Gio.File.new_for_path("/does/not/exist")
    with pytest.raises(GLib.Error, match="No such file"):
        spawn(choose, window, file.read_async, 0).result()

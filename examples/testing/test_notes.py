"""The tests of notes.py: a clock that jumps, real keys and clicks, and every order in which things may happen."""

import pytest
from gi.repository import Gio
from notes import QUIET, Notes

from gleenlet import sleep, spawn, wait_property
from gleenlet.testing import answer_dialogs, explore, may_be_clicked_twice, may_be_destroyed, no_leaks


@pytest.fixture
def path(tmp_path):
    return tmp_path / "note.txt"


@pytest.fixture
def window(virtual_display, path):
    window = Notes(Gio.File.new_for_path(str(path)))
    window.present()
    yield window
    window.destroy()


def test_it_is_saved_two_seconds_after_the_last_key(window, path, virtual_time, type_text):
    type_text(window.entry, "Buy ")
    sleep(QUIET - 0.1)
    type_text(window.entry, "milk")
    sleep(QUIET - 0.1)
    assert not path.exists()
    sleep(0.2)
    assert path.read_text() == "Buy milk"
    assert window.state.get_text() == "Saved"
    assert virtual_time.elapsed == pytest.approx(2 * QUIET, abs=0.1)  # and took no time


def test_a_click_saves_at_once(window, path, virtual_time, type_text, click):
    type_text(window.entry, "Tee: 80 °C")
    click(window.save_button)
    sleep(0.1)
    assert path.read_text() == "Tee: 80 °C"


@pytest.mark.parametrize(("answer", "text"), [("_Save", "x"), ("_Discard", None)])
def test_closing_asks(window, path, virtual_time, type_text, click, answer, text):
    from gi.repository import Gtk

    type_text(window.entry, "x")
    window.close()
    sleep(0)
    dialog = next(one for one in Gtk.Window.get_toplevels() if isinstance(one, Gtk.MessageDialog))
    click(dialog.get_widget_for_response([*"ds"].index(answer[1].lower())))
    sleep(0.1)
    assert window not in list(Gtk.Window.get_toplevels())
    assert (path.read_text() if path.exists() else None) == text


def test_nothing_is_left_over(virtual_display, path, virtual_time):
    with no_leaks(ignore=["descriptors", "threads"]):  # Gio keeps some for good
        window = Notes(Gio.File.new_for_path(str(path)))
        window.entry.set_text("x")
        sleep(QUIET + 1)
        window.destroy()
        del window


# ---- what only some orders of events show: explore() runs each of these many times ----


@explore(runs=10)
def test_a_second_click_does_no_harm(virtual_display, path):
    window = Notes(Gio.File.new_for_path(str(path)))
    window.present()
    window.save_button.grab_focus()  # a blinking cursor would be drawn all the time
    with may_be_clicked_twice(window.save_button):
        window.entry.set_text("x")
        window.save_button.emit("clicked")
        sleep(QUIET + 1)
    assert path.read_text() == "x"
    window.destroy()


@explore(runs=10, late_replies=1)
def test_what_is_typed_while_it_saves_is_saved_too(virtual_display, path):
    window = Notes(Gio.File.new_for_path(str(path)))
    window.entry.set_text("x")
    saving = spawn(window.save)
    sleep(0)
    window.entry.set_text("xy")
    saving.join()
    wait_property(window.state, "label", lambda label: label == "Saved" and window.saved == "xy")
    assert path.read_text() == "xy"
    window.destroy()


@explore(exhaustive=True, preemptions=1)
def test_every_answer_and_a_window_that_goes_meanwhile(virtual_display, path):
    path.unlink(missing_ok=True)
    window = Notes(Gio.File.new_for_path(str(path)))
    window.present()
    window.entry.set_text("x")
    with answer_dialogs() as answers, may_be_destroyed(window):
        window.close()
        window.close()  # asks once
        sleep(0)
        sleep(1)
    assert len(answers) <= 1
    assert path.exists() == (window.saved == "x")
    window.destroy()

"""libadwaita's dialogs, which are no windows: the explorer answers and closes them, one that is left is a leak.

In child processes: libadwaita changes the looks of a whole process, and what `ask` shows.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import gi
import pytest

gi.require_version("Gtk", "4.0")

from child import in_child
from gleenlet import move_on_after, sleep, wait_signal
from gleenlet.testing import answer_dialogs, explore, may_be_destroyed, no_leaks


def adwaita() -> Any:
    gi.require_version("Adw", "1")
    return importlib.import_module("gi.repository.Adw")


def has_inner_dialogs() -> bool:
    try:
        return hasattr(adwaita(), "AlertDialog")
    except ValueError:
        return False


pytestmark = pytest.mark.skipif(
    not has_inner_dialogs(), reason="no libadwaita, or one before 1.5: its dialogs are windows"
)


def seen_by(test: Callable[[], object]) -> set[object]:
    """What it returns in all its runs."""
    seen: set[object] = set()
    explore(exhaustive=True)(lambda: seen.add(test()))()
    return seen


def new_window(inside: bool = True) -> Any:
    """One in which a dialog is inside, or plain GTK's, where the dialog gets a window of its own."""
    window: Any = adwaita().Window() if inside else importlib.import_module("gi.repository.Gtk").Window()
    window.present()
    return window


@pytest.mark.parametrize("inside", [True, False], ids=["inside its window", "in a window of its own"])
@in_child(display=True)
def test_an_alert_is_answered_closed_or_never(inside: bool) -> None:
    Adw = adwaita()
    Adw.init()

    def test(never: bool) -> tuple[str, str]:
        window = new_window(inside)
        dialog = Adw.AlertDialog(heading="Delete it?", close_response="closed")
        for response in ("keep", "delete"):
            dialog.add_response(response, response)
        responses: list[str] = []
        dialog.connect("response", lambda _, response: responses.append(response))
        try:
            with answer_dialogs(never=never) as answers:
                dialog.present(window)
                with move_on_after(60):
                    wait_signal(dialog, "response")
            return (responses or ["waits"])[0], answers[0]
        finally:
            dialog.force_close()
            window.destroy()

    closed = {("keep", "keep"), ("delete", "delete"), ("closed", "closed")}
    assert seen_by(lambda: test(False)) == closed
    assert seen_by(lambda: test(True)) == closed | {("waits", "never")}


@in_child(display=True)
def test_a_dialog_of_a_window_that_opens_meanwhile_is_answered() -> None:
    from gleenlet.gtk import ask

    adwaita().init()

    def test() -> tuple[object, list[str]]:
        with answer_dialogs() as answers:
            window = new_window()
            answer = ask(window, "Delete it?", buttons=["_Keep", "_Delete"])
            window.destroy()
            return answer, answers

    seen: list[object] = []
    explore(exhaustive=True)(lambda: seen.append(test()))()
    assert ("_Keep", ["Keep"]) in seen
    assert (None, ["closed"]) in seen


@in_child(display=True)
def test_a_dialog_may_be_gone_meanwhile_whatever_it_says() -> None:
    Adw = adwaita()
    Adw.init()

    def test() -> str:
        window = new_window()
        dialog = Adw.Dialog(title="Preferences", can_close=False)
        dialog.present(window)
        closed: list[int] = []
        dialog.connect("closed", lambda _: closed.append(1))
        with may_be_destroyed(dialog):
            sleep(1)
        window.destroy()
        return "closed" if closed else "stays"

    assert seen_by(test) == {"closed", "stays"}


@in_child(display=True)
def test_a_dialog_that_is_left_open_is_a_leak_and_its_place_is_told() -> None:
    Adw = adwaita()
    Adw.init()
    window = new_window()
    ignore = ["descriptors", "threads", "sources", "handlers"]

    with (
        pytest.raises(AssertionError, match=r"dialog 'left', a AlertDialog, made at .*test_adw_dialogs"),
        no_leaks(ignore=ignore),
    ):
        dialog = Adw.AlertDialog(title="left")
        dialog.present(window)
    with no_leaks(ignore=ignore):
        dialog.force_close()
        other = Adw.AlertDialog()
        other.present(window)
        other.force_close()
    window.destroy()

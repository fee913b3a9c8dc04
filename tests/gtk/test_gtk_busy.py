"""busy and progress put back what they change, however their block is left."""

from __future__ import annotations

from typing import Any

import gi
import pytest

gi.require_version("Gtk", "4.0")
from gi.repository import GObject, Gtk

from gleenlet import Event, GleenletError, TaskGroup, run, sleep, spawn
from gleenlet.gtk import _busy, _ends, _lifetimes, _progress, busy, progress, tasks_of
from inside import FOREVER, settle

pytestmark = pytest.mark.usefixtures("display", "no_task_left")


def test_a_busy_widget_cannot_be_used_and_is_put_back_after_a_failure() -> None:
    button = Gtk.Button()
    with pytest.raises(ZeroDivisionError), busy(button):
        assert not button.get_sensitive()
        raise ZeroDivisionError
    assert button.get_sensitive()
    assert not _busy.before


def test_what_was_insensitive_before_stays_so() -> None:
    button = Gtk.Button(sensitive=False)
    with busy(button):
        pass
    assert not button.get_sensitive()


def test_a_cancelled_task_puts_the_widget_back() -> None:
    window = Gtk.Window()

    def work() -> None:
        with busy(window):
            sleep(FOREVER)

    task = tasks_of(window).spawn(work)
    settle()
    assert not window.get_sensitive()
    task.cancel()
    settle()
    assert window.get_sensitive()
    window.destroy()


def test_the_last_of_several_blocks_puts_it_back() -> None:
    button, doors = Gtk.Button(), [Event(), Event()]

    def work(door: Event) -> None:
        with busy(button):
            door.wait()

    def main() -> None:
        with TaskGroup() as group:
            tasks = [group.spawn(work, door) for door in doors]
            sleep(0)
            for door, task in zip(doors, tasks, strict=True):
                assert not button.get_sensitive()
                door.set()
                task.join()

    run(main)
    assert button.get_sensitive()


@pytest.mark.parametrize("wrong", [None, "button", GObject.Object()])
def test_only_widgets_can_be_busy(wrong: Any) -> None:
    with pytest.raises(TypeError, match="needs a widget"):
        busy(wrong)


class Bar(Gtk.ProgressBar):
    """Counts its pulses."""

    pulses = 0

    def pulse(self) -> None:
        self.pulses += 1
        super().pulse()


def wait_for_pulses(bar: Bar, count: int) -> None:
    while bar.pulses < count:
        spawn(sleep, 0.001).join()


def test_a_bar_pulses_until_a_fraction_is_known_and_when_it_is_known_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "PULSE", 0.001)
    bar = Bar()
    with progress(bar) as p:
        wait_for_pulses(bar, 3)
        p.update(0.25)
        settle()
        assert not _lifetimes.lives  # nobody pulses
        assert bar.get_fraction() == 0.25
        seen = bar.pulses
        p.update(None)
        p.update(None)
        wait_for_pulses(bar, seen + 2)
        p.update(0.5)
    settle()
    assert bar.get_fraction() == 1
    assert not _lifetimes.lives


def test_a_bar_whose_block_fails_is_empty() -> None:
    bar = Gtk.ProgressBar()
    with pytest.raises(ZeroDivisionError), progress(bar) as p:
        p.update(0.5)
        raise ZeroDivisionError
    assert bar.get_fraction() == 0
    settle()


def test_an_entry_shows_progress_and_nothing_afterwards() -> None:
    entry = Gtk.Entry()
    with progress(entry) as p:
        settle()
        p.update(0.5)
        assert entry.get_progress_fraction() == 0.5
    assert entry.get_progress_fraction() == 0
    settle()


def test_a_window_closed_while_its_bar_pulses() -> None:
    bar = Gtk.ProgressBar()
    window = Gtk.Window(child=bar)

    def work() -> None:
        with progress(bar):
            sleep(FOREVER)

    task = tasks_of(window).spawn(work)
    settle()
    window.destroy()
    settle()
    assert task.cancelled()
    assert not _lifetimes.lives
    assert not _ends.Shared.all
    with pytest.raises(GleenletError, match="was closed"), progress(bar):
        pass


def test_wrong_uses_of_progress_are_refused() -> None:
    wrong: Any = Gtk.Label()
    for bar in (wrong, None):
        with pytest.raises(TypeError, match=r"needs a Gtk\.ProgressBar or a Gtk\.Entry"):
            progress(bar)
    p = progress(Gtk.ProgressBar())
    with pytest.raises(GleenletError, match="is for the block"):
        p.update(0.5)
    with p:
        with pytest.raises(GleenletError, match="entered already"):
            p.__enter__()
        for fraction in (-0.1, 1.1, float("nan")):
            with pytest.raises(ValueError, match="from 0 to 1"):
                p.update(fraction)
    with pytest.raises(GleenletError, match="is for the block"):
        p.update(0.5)
    settle()

"""The inspector: what its list shows and in which order, what it draws, what its buttons do; a real window of GTK 4."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gi
import pytest
from gi.repository import Gio

from child import in_child
from gleenlet import Lock, Task, TaskGroup, current_task, run, sleep, spawn
from gleenlet.debug import TaskRecord, inspector, tasks
from gleenlet.debug._recorder import Event
from gleenlet.debug._recording import _active
from gleenlet.debug._window.activity import MOST, PART, Activity
from gleenlet.debug._window.rows import COLUMNS, Row, View, cells
from gleenlet.testing import click, screenshot
from inside import FOREVER
from windows import GTK3, Gtk, inside, until

pytestmark = pytest.mark.skipif(GTK3, reason="the inspector is of GTK 4")


def record(number: int, name: str, state: str = "waiting", **more: Any) -> TaskRecord:
    return TaskRecord(None, number, name, state, 0, 0, **more)


def family() -> list[TaskRecord]:
    parent, b, a, other = record(1, "parent"), record(2, "b", since=5.0), record(3, "a", since=1.0), record(4, "other")
    for child in (b, a):
        child.parent = parent
        parent.children.append(child)
    other.waiting_on = "Queue.get"
    return [parent, b, a, other]


def names(view: View) -> list[str]:
    return ["  " * row.depth + row.record.name for row in view.rows(family())]


def test_children_stand_below_their_parents_in_the_order_chosen() -> None:
    assert names(View()) == ["parent", "  b", "  a", "other"]
    assert names(View(key="Name")) == ["other", "parent", "  a", "  b"]
    assert names(View(key="Name", down=True)) == ["parent", "  b", "  a", "other"]
    for key in COLUMNS:
        assert sorted(names(View(key=key))) == ["  a", "  b", "other", "parent"]
    assert names(View(key="Seconds"))[:3] == ["parent", "  a", "  b"]
    assert names(View(folded={1})) == ["parent", "other"]
    assert [row.folded for row in View(folded={1}).rows(family())] == [True, None]


def test_what_does_not_fit_is_left_out_but_for_those_above() -> None:
    assert names(View(needle="A")) == ["parent", "  a"]
    assert names(View(needle="queue")) == ["other"]
    assert names(View(state="running")) == []
    assert names(View(state="waiting", needle="b")) == ["parent", "  b"]


def test_a_family_that_is_its_own_ancestor_is_no_harm() -> None:
    one, other = record(1, "one"), record(2, "other")
    one.parent, other.parent = other, one
    assert View().rows([one, other]) == []
    assert View(needle="one").rows([one, other]) == []


def test_the_columns_of_a_row() -> None:
    one = record(1, "load", since=1.0, deadline=6.0, switches=3, time_running=0.25, cycle=1, stuck=True)
    one.held_by = [record(2, "save")]
    row = cells(Row(one, 1, False), 3.5)
    assert row == ("    ▾ load", "waiting ⟳ ✕", "2.5", "", "save", "2.5", "3", "0.250", "")
    assert cells(Row(one, 0, True), 3.5)[0] == "▸ load"


def event(number: int, when: float, kind: str, task: int = 0) -> Event:
    return Event((number, when, kind, 1, task, 0, "", ""))  # type: ignore[call-arg, arg-type]  # as C's are


def test_who_ran_when_is_summed_up() -> None:
    activity = Activity()
    activity.add([event(1, 5.05, "begin", 7), event(2, 5.25, "begin", 8), event(3, 5.26, "wait", 8)])
    activity.add([event(4, 5.33, "frame"), event(5, 5.34, "frame"), event(6, 5.5, "spawn", 9)])
    assert activity.next == 7
    assert {part: round(seconds, 3) for part, seconds in activity.ran[7].items()} == {50: 0.05, 51: 0.1, 52: 0.05}
    assert activity.frames == {53: 2}
    activity.was_late(5.33, 0.01)
    activity.was_late(5.35, 0.002)
    assert activity.late == {53: 0.01}
    assert activity.busiest(6.0) == [7, 8]
    assert activity.busiest(6.0, leave_out={7}) == [8]
    assert activity.busiest(60.0) == []
    assert (activity.frames, activity.late, activity.ran) == ({}, {}, {})


def test_more_than_can_be_looked_at_is_left_out_and_said() -> None:
    activity = Activity()
    activity.skip_to(10)
    assert (activity.missed, activity.next) == (0, 0)
    activity.skip_to(MOST + 10)
    assert (activity.missed, activity.next) == (10, 10)


@pytest.fixture
def window() -> Iterator[Any]:
    window = inspector()
    until(window.get_mapped)
    yield window
    mine = list(window.own)
    if window.get_mapped():
        window.close()
    until(lambda: all(task.done() for task in mine))
    assert _active == []


def shown(window: Any) -> list[str]:
    return [row.record.name for row in window.model.rows]


def look(window: Any, holds: Any) -> None:
    """Until the window has looked, and it holds."""

    def looks() -> None:
        while not holds():
            window.look_once()
            sleep(0.001)

    run(looks)


def button(window: Any, label: str) -> Any:
    return next(one for one in inside(window) if isinstance(one, Gtk.Button) and one.get_label() == label)


def started(*names: str) -> list[Task[None]]:
    found = [spawn(sleep, FOREVER, name=name) for name in names]
    until(lambda: all(task.waiter is not None for task in found))
    return found


def end(found: list[Task[None]]) -> None:
    for task in found:
        task.cancel()
        task.join()


def test_it_shows_the_tasks_and_leaves_out_its_own(window: Any, tmp_path: Path) -> None:
    found = started("load", "save")
    look(window, lambda: "load" in shown(window) and window.bound)
    assert "inspector look" in {one.name for one in tasks()}
    assert not [name for name in shown(window) if name.startswith("inspector")]
    until(lambda: any(label.get_label() == "load" for labels in window.bound.values() for label in labels))
    assert window.count.get_label().endswith("tasks")
    if gi.version_info >= (3, 44):  # before, PyGObject knows no render nodes
        assert run(screenshot, window, tmp_path / "inspector.png").stat().st_size
    end(found)
    look(window, lambda: "load" not in shown(window))


def test_it_filters_sorts_and_folds(window: Any) -> None:
    def both() -> None:
        with TaskGroup() as group:
            group.spawn(sleep, FOREVER, name="zzz")
            group.spawn(sleep, FOREVER, name="aaa")

    task = spawn(both, name="both")
    look(window, lambda: {"zzz", "aaa", "both"} <= set(shown(window)))
    search = next(one for one in inside(window) if isinstance(one, Gtk.SearchEntry))
    search.set_text("zz")
    until(lambda: shown(window) == ["both", "zzz"])
    search.set_text("")
    until(lambda: "aaa" in shown(window))
    order = shown(window)
    assert order.index("zzz") < order.index("aaa")
    head = next(
        one
        for one in inside(window)
        if isinstance(one, Gtk.Button)
        and isinstance(one.get_child(), Gtk.Label)
        and one.get_child().get_label() == "Name"
    )
    click(head)
    until(lambda: shown(window) == sorted(shown(window), key=lambda name: order.index(name)) or window.view.key)
    assert (window.view.key, window.view.down) == ("Name", False)
    assert shown(window).index("aaa") < shown(window).index("zzz")
    click(head)
    until(lambda: window.view.down)
    click(head)
    until(lambda: window.view.key is None)
    window.list.emit("activate", shown(window).index("both"))
    assert "zzz" not in shown(window)
    window.list.emit("activate", shown(window).index("both"))
    assert "zzz" in shown(window)
    states = next(one for one in inside(window) if isinstance(one, Gtk.DropDown))
    states.set_selected(4)  # cancelling
    assert "zzz" not in shown(window)
    states.set_selected(0)
    task.cancel()
    task.join()


def test_the_task_that_is_selected_is_cancelled(window: Any) -> None:
    (victim, other) = started("victim", "other")
    look(window, lambda: "victim" in shown(window))
    assert not window.cancel_button.get_sensitive()
    window.selection.set_selected(shown(window).index("victim"))
    assert window.cancel_button.get_sensitive()
    window.sorted_by(None, "Name")
    assert window.selection.get_selected() == shown(window).index("victim")
    click(window.cancel_button)
    until(victim.done)
    assert victim.cancelled()
    assert not other.done()
    look(window, lambda: "victim" not in shown(window))
    assert window.chosen is None
    end([other])


def test_it_saves_the_tree_and_traces(window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = started("load")
    look(window, lambda: [one.state for one in window.records if one.name == "load"] == ["waiting"])
    answers: list[Path | None] = [tmp_path / "tree.txt", tmp_path / "last.json", None, tmp_path / "new.json", None]

    def chosen(*_: object, **__: object) -> Gio.File | None:
        path = answers.pop(0)
        return None if path is None else Gio.File.new_for_path(str(path))

    def answered(left: int) -> bool:
        return len(answers) == left

    monkeypatch.setattr("gleenlet.debug._window.window.save_file", chosen)
    for left in (4, 3, 2):
        click(window.dump_button)
        until(partial(answered, left))
    until((tmp_path / "last.json").exists)
    assert "'load' waiting" in (tmp_path / "tree.txt").read_text()
    for left in (1, 0):
        window.record_button.set_active(True)
        until(lambda: window.recording)
        assert window.record_button.get_label() == "Recording"
        window.record_button.set_active(False)
        until(partial(answered, left))
    until((tmp_path / "new.json").exists)
    assert len(_active) == 1
    window.start_or_save(window.record_button)
    window.record_button.set_active(True)
    until(lambda: window.recording)
    end(found)


def test_it_draws_what_went_on(window: Any) -> None:
    def works() -> None:
        while True:
            end = time.perf_counter() + 0.005
            while time.perf_counter() < end:
                pass
            sleep(0.001)

    task = spawn(works, name="works")
    look(window, lambda: any(track.name == "works" for track in window.timeline.tracks))
    assert not [track for track in window.timeline.tracks if track.name.startswith("inspector")]
    until(lambda: window.activity.late)
    window.show_activity()
    assert window.latency.said.startswith("loop latency: ")
    window.activity.frames[int(time.monotonic() / PART) - 1] = 1000
    window.show_activity()
    assert any(window.frame_rate.values.values())
    task.cancel()
    task.join()


def test_a_closed_inspector_is_gone_and_so_are_its_tasks(window: Any) -> None:
    found = started("load")
    look(window, lambda: "load" in shown(window))
    mine = list(window.own)
    window.close()
    until(lambda: all(task.done() for task in mine))
    end(found)
    assert _active == []


def test_it_keeps_no_task_alive(window: Any) -> None:
    found = started("load")
    look(window, lambda: "load" in shown(window))
    gone = weakref.ref(found[0])
    end(found)
    del found
    run(sleep, 0)
    gc.collect()
    assert gone() is None


@in_child(display=True)
def test_nothing_keeps_a_closed_inspector_alive() -> None:
    import gc
    import weakref

    import gi

    gi.require_version("Gtk", "4.0")
    from gi.repository import Gtk

    from gleenlet import run, sleep
    from gleenlet.debug import inspector

    def main() -> None:
        window = inspector()
        while not window.model.rows or not window.bound:
            sleep(0.01)
        gone = weakref.ref(window)
        window.close()
        del window
        while Gtk.Window.get_toplevels().get_n_items():
            sleep(0.01)
        while gone() is not None:
            gc.collect()
            sleep(0.01)

    run(main)


@in_child(display=True)
def test_a_program_may_end_while_it_is_open() -> None:
    from gleenlet import run, sleep
    from gleenlet.debug import inspector

    def main() -> None:
        window = inspector()
        while not window.bound:
            sleep(0.01)
        globals()["kept"] = window

    run(main)


@in_child(display=True, env={"GLEENLET_DEBUG": "window", "XDG_RUNTIME_DIR": "/nonexistent"}, says="gleenlet")
def test_gleenlet_debug_window_opens_it() -> None:
    import gi

    gi.require_version("Gtk", "4.0")
    from gi.repository import Gtk

    from gleenlet import run, sleep

    def main() -> None:
        sleep(0.5)
        Gtk.init()
        toplevels = Gtk.Window.get_toplevels()
        while not toplevels.get_n_items():
            sleep(0.01)
        found: Any = toplevels.get_item(0)
        print(found.get_title())

    run(main)


@in_child(
    display=True,
    env={"GLEENLET_DEBUG": "window", "XDG_RUNTIME_DIR": "/nonexistent"},
    says="the inspector needs GTK 4...",
)
def test_a_program_of_gtk_3_is_told_that_it_needs_gtk_4() -> None:
    import io
    import sys

    import gi

    sys.stderr = io.StringIO()
    from gleenlet import GleenletError, sleep
    from gleenlet.debug import inspector

    gi.require_version("Gtk", "3.0")
    import gi.repository.Gtk

    try:
        inspector()
    except GleenletError as error:
        print(error)
    while "gleenlet: the inspector needs GTK 4" not in sys.stderr.getvalue():
        sleep(0.01)


@in_child(says="...needs a display...")
def test_without_a_display_it_says_so() -> None:
    from gleenlet import GleenletError
    from gleenlet.debug import inspector

    try:
        inspector()
    except GleenletError as error:
        print(error)


def test_it_shows_who_holds_a_lock(window: Any) -> None:
    lock = Lock()

    def holds() -> None:
        with lock:
            sleep(FOREVER)

    found = [spawn(holds, name=f"holds {number}") for number in range(2)]
    assert current_task() is None
    look(window, lambda: {"holds 0", "holds 1"} <= set(shown(window)))
    look(window, lambda: any(one.held_by for one in window.records if one.name == "holds 1"))
    row = next(row for row in window.model.rows if row.record.name == "holds 1")
    assert cells(row, 0.0)[4] == "holds 0"
    end(found)

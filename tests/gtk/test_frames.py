"""Frames as a loop: in step with the frame clock, in the frame itself, and not a frame more than asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from gleenlet import Cancelled, GleenletError, Task, get_hub, run, sleep, spawn
from gleenlet.gtk import _ends, animate, frame, frames
from inside import settle, used_in_another_thread
from windows import GTK3, Gtk, inside, new_window, put, until

pytestmark = [pytest.mark.usefixtures("display", "nothing_left")]


@pytest.fixture
def window() -> Iterator[Any]:
    window = new_window()
    yield window
    window.destroy()
    assert not _ends.Shared.all


def area_of(window: Any) -> Any:
    return next(one for one in inside(window) if isinstance(one, Gtk.DrawingArea))


def phases(window: Any) -> list[str]:
    """What the window's frame clock does from now on."""
    log: list[str] = []
    clock = window.get_frame_clock()
    for phase in ("update", "paint"):
        clock.connect(phase, lambda _, phase=phase: log.append(phase))
    return log


def first(count: int, times: Iterator[float]) -> list[float]:
    return [next(times) for _ in range(count)]


# ---- frames ----


def test_frames_give_the_frame_clocks_time_in_seconds(window: Any) -> None:
    clock = window.get_frame_clock()
    seen: list[float] = []
    clock.connect("update", lambda clock: seen.append(clock.get_frame_time() / 1e6))
    times = run(first, 5, frames(window))
    assert set(times) <= set(seen)
    assert all(later - earlier > 0 for earlier, later in pairwise(times))


def test_the_task_runs_in_the_frame_before_it_is_painted(window: Any) -> None:
    log = phases(window)

    def draw() -> None:
        for _ in zip(range(3), frames(window), strict=False):
            window.queue_draw()
            log.append("task")

    spawn(draw).join()
    places = [place for place, what in enumerate(log) if what == "task"]
    assert len(places) == 3
    for place in places:
        following = [what for what in log[place + 1 :] if what != "task"]
        assert following[:1] == ["paint"] or following[:2] == ["update", "paint"]  # our handler may be the later one


def test_frames_are_asked_for_only_while_the_task_waits_for_one(window: Any) -> None:
    times = frames(window)
    spawn(next, times).join()
    settle()
    ticks: list[int] = []
    window.get_frame_clock().connect("update", lambda _: ticks.append(1))
    while True:  # the theme may still be busy with the new window
        ticks.clear()
        run(sleep, 0.1)  # six frames
        if not ticks:
            break
    assert run(next, times) > 0


def test_frames_wait_for_a_widget_that_is_not_realized_yet(window: Any) -> None:
    label = Gtk.Label(label="later")
    task = spawn(next, frames(label))
    run(frame, window)
    assert not task.done()
    put(window, label)
    assert task.result() > 0


def test_a_move_to_another_parent_is_no_end(window: Any) -> None:
    area = area_of(window)
    times: list[float] = []
    task = spawn(lambda: times.extend(frames(area)))
    run(frame, window)
    box = Gtk.Box()
    put(window, box)
    box.add(area) if GTK3 else box.append(area)
    area.show()
    before = len(times)

    def count() -> None:
        for _ in frames(window):
            if len(times) > before + 1:
                return

    run(count)
    assert not task.done()
    box.remove(area)
    task.result()


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "never shown"])
def test_closing_the_window_ends_the_iteration(shown: bool) -> None:
    window: Any = new_window() if shown else Gtk.Window()
    widget = area_of(window) if shown else window
    task: Task[list[float]] = spawn(list, frames(widget))
    spawn(frame, window).join(0) if not shown else run(frame, window)
    window.destroy()
    assert all(time > 0 for time in task.result())
    assert not _ends.Shared.all


def test_closing_the_window_in_one_of_its_frames(window: Any) -> None:
    def close() -> list[float]:
        times = []
        for time in frames(window):
            times.append(time)
            if len(times) == 3:
                window.destroy()
        return times

    assert len(run(close)) == 3


def test_cancelled_frames_ask_for_no_more(window: Any) -> None:
    task: Task[list[float]] = spawn(list, frames(window))
    run(frame, window)
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    assert not _ends.Shared.all


def test_a_task_that_fails_in_a_frame_fails_alone(window: Any) -> None:
    def fail() -> None:
        for _ in frames(window):
            raise ZeroDivisionError

    assert isinstance(spawn(fail).exception(), ZeroDivisionError)
    assert run(frame, window) > 0


def test_many_tasks_share_a_frame(window: Any) -> None:
    tasks = [spawn(first, 4, frames(window)) for _ in range(20)]
    times = {time for task in tasks for time in task.result()}
    assert len(times) < 4 * 20 / 2  # they may begin in different ones


def test_frames_go_on_beside_tasks_that_are_always_ready(window: Any) -> None:
    busy = True

    def spin() -> None:
        while busy:
            sleep(0)

    spinning = [spawn(spin) for _ in range(100)]
    assert len(run(first, 5, frames(window))) == 5
    busy = False
    until(lambda: all(task.done() for task in spinning))


def test_frame_is_an_error_where_none_will_come() -> None:
    window: Any = Gtk.Window()  # never shown: no frame can come before it is closed
    task = spawn(frame, window)
    get_hub().call_soon(window.destroy)
    with pytest.raises(GleenletError, match="no frame of it will come"):
        task.result()
    with pytest.raises(GleenletError, match="was closed: no frame"):
        frame(window)


@pytest.mark.parametrize("wrong", [None, "window", object()])
def test_what_is_no_widget_is_refused_at_once(wrong: Any) -> None:
    for call in (frames, frame, lambda thing: animate(thing, 1)):
        with pytest.raises(TypeError, match="frames are those of a widget, not of a"):
            call(wrong)


# ---- animate ----


@pytest.mark.parametrize("ease", ["linear", "in", "out", "in-out", lambda t: t * 100])
def test_an_animation_goes_from_begin_to_end(window: Any, ease: Any) -> None:
    steps = run(lambda: list(animate(window, 0.08, ease)))
    end = 100.0 if callable(ease) else 1.0
    assert (steps[0], steps[-1]) == (0.0, end)
    assert all(earlier <= later for earlier, later in pairwise(steps))
    assert len(steps) >= 2


def test_an_animation_of_no_time_has_its_last_step_only(window: Any) -> None:
    assert run(lambda: list(animate(window, 0))) == [1.0]


@pytest.mark.parametrize(
    ("setting", "unwanted"), [("gtk-enable-animations", False), ("gtk-interface-reduced-motion", 1)]
)
def test_an_animation_is_only_its_end_where_the_user_wants_none(window: Any, setting: str, unwanted: Any) -> None:
    settings = window.get_settings()
    if settings.find_property(setting) is None:
        pytest.skip(f"GTK has no {setting} yet")
    wanted = settings.get_property(setting)
    settings.set_property(setting, unwanted)
    try:
        assert run(lambda: list(animate(window, 60))) == [1.0]
    finally:
        settings.set_property(setting, wanted)


def test_an_animation_ends_early_with_its_widget(window: Any) -> None:
    task: Task[list[float]] = spawn(lambda: list(animate(window, 60)))
    run(frame, window)
    window.destroy()
    assert 1.0 not in task.result()


@pytest.mark.parametrize("wrong", ["sideways", None, 3])
def test_an_ease_that_there_is_not_is_refused(window: Any, wrong: Any) -> None:
    with pytest.raises(ValueError, match="ease must be one of linear, in, out, in-out, or a function, not"):
        animate(window, 1, wrong)
    with pytest.raises(ValueError, match="seconds must be 0 or more seconds"):
        animate(window, float("nan"))


def test_frames_in_another_thread_are_refused(window: Any) -> None:
    for use in (frame, frames, lambda widget: animate(widget, 1)):
        error = used_in_another_thread(lambda use=use: use(window))  # type: ignore[misc]
        assert isinstance(error, GleenletError)
        assert "from_thread()" in str(error)

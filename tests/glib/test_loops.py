"""cooperative_loops: main loops that tasks run are waits. GLib's and Gio's; GTK's are in test_gtk_loops.py."""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
from gi.repository import Gio, GLib

from child import in_child
from gleenlet import (
    Cancelled,
    cooperative_loops,
    get_hub,
    run,
    sleep,
    spawn,
    to_thread,
)
from inside import settle

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def cooperative() -> Iterator[None]:
    """The block is entered, and a loop in a task that is nested all the same fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        get_hub().complained = False
        with cooperative_loops():
            yield


def everything_replaced() -> list[object]:
    return [
        vars(owner).get(name)
        for owner, names in (
            (GLib.MainLoop, ("run", "quit", "is_running")),
            (GLib.MainContext, ("iteration", "pending")),
            (Gio.Application, ("run",)),
        )
        for name in names
    ]


# ---- GLib.MainLoop ----


def test_two_loops_in_tasks_end_in_any_order_and_others_go_on(cooperative: None) -> None:
    log: list[str] = []
    depths: list[int] = []
    loops = {"first": GLib.MainLoop(), "second": GLib.MainLoop()}

    def dialog(name: str) -> None:
        loops[name].run()
        log.append(f"{name} closed")

    def works() -> None:
        sleep(0)
        for name in ("first", "second"):
            assert loops[name].is_running()
            depths.append(GLib.main_depth())
            loops[name].quit()
            assert not loops[name].is_running()
            sleep(0)
        log.append("worked")

    tasks = [spawn(dialog, "first"), spawn(dialog, "second"), spawn(works)]
    for task in tasks:
        task.join()
    assert log == ["first closed", "second closed", "worked"]
    assert set(depths) == {1}


def test_quit_ends_all_who_run_the_same_loop_and_a_new_run_waits_again(cooperative: None) -> None:
    loop = GLib.MainLoop()
    log: list[str] = []

    def runs(name: str) -> None:
        loop.run()
        log.append(name)

    tasks = [spawn(runs, "one"), spawn(runs, "two")]
    settle()
    loop.quit()
    late = spawn(runs, "late")
    for task in tasks:
        task.join()
    settle()
    assert log == ["one", "two"]
    assert loop.is_running()
    loop.quit()
    late.join()


def test_a_task_that_is_cancelled_in_its_loop_leaves_nothing(cooperative: None) -> None:
    loop = GLib.MainLoop()
    tasks = [spawn(loop.run), spawn(loop.run)]
    settle()
    tasks[0].cancel()
    with pytest.raises(Cancelled):
        tasks[0].result()
    assert loop.is_running()
    tasks[1].cancel()
    with pytest.raises(Cancelled):
        tasks[1].result()
    assert not loop.is_running()


def test_quit_may_come_from_another_thread(cooperative: None) -> None:
    loop = GLib.MainLoop()
    task = spawn(loop.run)
    settle()
    thread = threading.Thread(target=loop.quit)
    thread.start()
    task.result()
    thread.join()


def test_a_loop_that_runs_at_top_level_may_be_waited_for_by_tasks(cooperative: None) -> None:
    loop = GLib.MainLoop()
    task = spawn(loop.run)
    GLib.idle_add(loop.quit)
    loop.run()
    task.result()
    assert not loop.is_running()


def test_a_loop_of_another_context_is_as_before(cooperative: None) -> None:
    context = GLib.MainContext.new()
    log: list[str] = []

    def works() -> None:
        loop = GLib.MainLoop.new(context, False)
        source = GLib.Idle()
        source.set_callback(lambda *_: loop.quit())
        source.attach(context)
        other = spawn(log.append, "another task")
        loop.run()
        while context.iteration(False) or context.pending():
            pass
        log.append("ran")
        other.join()

    spawn(works).result()
    assert log == ["ran", "another task"]


def test_a_context_that_a_task_has_pushed_is_its_own_affair(cooperative: None) -> None:
    def works() -> bool:
        context = GLib.MainContext.new()
        context.push_thread_default()
        loop = GLib.MainLoop.new(context, False)
        source = GLib.Idle()
        source.set_callback(lambda *_: loop.quit())
        source.attach(context)
        loop.run()  # nobody else would run it
        context.pop_thread_default()
        return loop.is_running()

    assert spawn(works).result() is False


def test_outside_tasks_and_below_callbacks_of_c_code_loops_are_nested_as_before(cooperative: None) -> None:
    depths: list[int] = []
    action = Gio.SimpleAction.new("x", None)

    def nested(*_: object) -> None:
        inner = GLib.MainLoop()
        GLib.timeout_add(1, lambda: depths.append(GLib.main_depth()) or inner.quit())
        inner.run()

    nested()
    GLib.idle_add(nested)
    while len(depths) < 2:
        sleep(0.001)
    action.connect("notify::enabled", nested)
    spawn(action.set_enabled, False).result()
    assert depths == [1, 2, 2]


# ---- iterations ----


def test_pumping_what_is_pending_in_a_task_lets_the_loop_run(cooperative: None) -> None:
    context = GLib.MainContext.default()
    log: list[object] = []

    def pumps() -> None:
        for i in range(3):
            GLib.idle_add(log.append, i)
        GLib.idle_add(lambda: log.append(GLib.main_depth()))
        while context.pending():
            assert context.iteration()
        log.append("nothing is pending")
        assert not context.iteration(False)

    spawn(pumps).result()
    assert log == [0, 1, 2, 1, "nothing is pending"]


def test_draining_with_iteration_alone_ends(cooperative: None) -> None:
    context = GLib.MainContext.default()
    log: list[int] = []

    def drains() -> None:
        for i in range(3):
            GLib.idle_add(log.append, i)
        while context.iteration(False):
            pass

    tasks = [spawn(drains), spawn(drains)]
    for task in tasks:
        task.result()
    assert sorted(log) == [0, 0, 1, 1, 2, 2]


def test_an_iteration_that_may_block_waits_for_the_loops_next_event(cooperative: None) -> None:
    context = GLib.MainContext.default()
    done: list[int] = []

    def pumps() -> int:
        GLib.timeout_add(20, done.append, 1)
        turns = 0
        while not done:
            assert context.iteration(True)
            turns += 1
        return turns

    other = spawn(sleep, 0.001)
    assert spawn(pumps).result() >= 1
    other.join()


def test_a_cancelled_iteration_leaves_no_source(cooperative: None) -> None:
    task = spawn(GLib.MainContext.default().iteration, True)
    sleep(0)
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    settle()  # comes to rest


# ---- applications ----


@in_child(says="worked 2\n0", env={"G_DEBUG": "fatal-warnings"})
def test_an_application_runs_nested_in_a_task() -> None:
    def activate(app: Gio.Application) -> None:
        app.hold()
        spawn(work)

    def work() -> None:
        sleep(0.01)
        print("worked", GLib.main_depth())
        app.release()

    app = Gio.Application()
    app.connect("activate", activate)
    with cooperative_loops():
        print(run(app.run, ["app"]))


def test_an_application_outside_tasks_is_as_before(cooperative: None) -> None:
    app = Gio.Application(flags=Gio.ApplicationFlags.NON_UNIQUE)
    depths: list[int] = []
    app.connect("activate", lambda _: depths.append(GLib.main_depth()))
    assert app.run(["app"]) == 0
    assert depths == [0] or depths == [1]


# ---- the block ----


def test_all_is_undone_on_exit() -> None:
    before = everything_replaced(), list(sys.meta_path)
    with cooperative_loops():
        assert everything_replaced() != before[0]
        with cooperative_loops():
            pass
        assert everything_replaced() != before[0]
    assert (everything_replaced(), sys.meta_path) == before


def test_a_wait_that_outlives_the_block_can_be_quit_and_then_all_is_undone() -> None:
    before = everything_replaced()
    loop = GLib.MainLoop()
    with cooperative_loops():
        task = spawn(loop.run)
        settle()
    assert everything_replaced() != before

    def nested() -> int:
        inner = GLib.MainLoop()
        depths: list[int] = []
        GLib.timeout_add(1, lambda: depths.append(GLib.main_depth()) or inner.quit())
        inner.run()
        return depths[0]

    assert spawn(nested).result() == 2  # a new one is nested again
    loop.quit()
    task.result()
    assert everything_replaced() == before


def test_who_has_replaced_ours_keeps_his(monkeypatch: pytest.MonkeyPatch) -> None:
    def theirs(loop: GLib.MainLoop) -> None:
        ours(loop)  # type: ignore[no-untyped-call]

    original = GLib.MainLoop.run
    with cooperative_loops():
        ours = GLib.MainLoop.run
        GLib.MainLoop.run = theirs  # type: ignore[method-assign]
    try:
        assert GLib.MainLoop.run is theirs
        loop = GLib.MainLoop()
        GLib.idle_add(loop.quit)
        loop.run()
    finally:
        GLib.MainLoop.run = original  # type: ignore[method-assign]


def test_other_threads_run_their_loops_as_before(cooperative: None) -> None:
    def works() -> bool:
        context = GLib.MainContext.new()
        context.push_thread_default()
        loop = GLib.MainLoop.new(context, False)
        source = GLib.Idle()
        source.set_callback(lambda *_: loop.quit())
        source.attach(context)
        loop.run()
        context.pop_thread_default()
        return loop.is_running()

    assert to_thread(works) is False


@in_child()
def test_a_module_that_is_not_there_is_not_found_as_before() -> None:
    with cooperative_loops():
        sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "gi.importer"]
        with pytest.raises(ImportError):
            importlib.import_module("gi.repository.Gtk")

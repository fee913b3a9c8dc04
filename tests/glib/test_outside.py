"""run_outside: what runs a main loop of its own runs in a callback of the loop, and tasks go on under it."""

from __future__ import annotations

from typing import Any

import pytest
from gi.repository import Gio, GLib
from greenlet import greenlet

from child import in_child
from gleenlet import (
    Cancelled,
    UnsafeSwitchError,
    current_task,
    get_hub,
    run,
    run_outside,
    schedule_switch,
    sleep,
    spawn,
)
from inside import settle

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_tasks_go_on_under_a_loop_that_a_task_runs_outside(recwarn: pytest.WarningsRecorder) -> None:
    loop = GLib.MainLoop()
    log: list[object] = []

    def opens() -> str:
        run_outside(loop.run)
        log.append("closed")
        return "result"

    def works() -> None:
        sleep(0)
        log.append(loop.is_running())
        loop.quit()

    opener, worker = spawn(opens), spawn(works)
    assert opener.result() == "result"
    worker.join()
    assert log == [True, "closed"]
    assert [w for w in recwarn if w.category is RuntimeWarning] == []


def test_run_outside_gives_result_exception_and_arguments() -> None:
    def outside(*args: object, **kwargs: object) -> tuple[object, ...]:
        assert current_task() is None
        return args, kwargs

    task = spawn(run_outside, outside, 1, two=2)
    assert task.result() == ((1,), {"two": 2})
    failing = spawn(run_outside, divmod, 1, 0)
    with pytest.raises(ZeroDivisionError):
        failing.result()
    exiting = spawn(run_outside, raise_exit)
    with pytest.raises(SystemExit):
        exiting.result()


def raise_exit() -> None:
    raise SystemExit(3)


def test_outside_tasks_it_is_a_plain_call() -> None:
    assert run_outside(GLib.main_depth) == 0
    depths: list[int] = []
    GLib.idle_add(lambda: depths.append(run_outside(GLib.main_depth)))
    get_hub().call_soon(lambda: depths.append(run_outside(GLib.main_depth)))
    settle()
    assert depths == [1, 1]


def test_a_greenlet_of_the_loops_goes_outside_as_well() -> None:
    homes: list[Any] = []

    def body() -> None:
        homes.append(run_outside(lambda: get_hub().home))

    target = greenlet(body)
    schedule_switch(target)
    settle()
    assert homes == [target.parent]


def test_run_outside_under_a_callback_of_c_code_is_refused() -> None:
    action = Gio.SimpleAction.new("x", None)
    errors: list[str] = []

    def handler(*_: object) -> None:
        with pytest.raises(UnsafeSwitchError) as caught:
            run_outside(print)
        errors.append(str(caught.value))

    action.connect("notify::enabled", handler)
    spawn(action.set_enabled, False).result()
    assert "run_outside() in a callback that C code makes inside a task" in errors[0]


def test_a_cancelled_caller_calls_off_what_has_not_begun() -> None:
    log: list[str] = []
    task = spawn(run_outside, log.append, "ran")

    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    caller = spawn(run_outside, log.append, "ran too")
    spawn(caller.cancel)  # its turn comes before that of the call
    with pytest.raises(Cancelled):
        caller.result()
    settle()
    assert log == []


@pytest.mark.parametrize("fails", [False, True])
def test_what_runs_goes_on_without_its_caller(fails: bool, capsys: pytest.CaptureFixture[str]) -> None:
    log: list[str] = []
    loop = GLib.MainLoop()

    def outside() -> None:
        loop.run()
        log.append("ended")
        if fails:
            raise LookupError("late")

    task = spawn(run_outside, outside)
    get_hub().call_soon(lambda: GLib.idle_add(lambda: task.cancel() and GLib.idle_add(loop.quit) and False))
    with pytest.raises(Cancelled):
        task.result()
    while not log:
        sleep(0)
    assert ("LookupError: late" in capsys.readouterr().err) is fails


def test_a_failure_that_is_overtaken_by_a_cancel_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    def outside() -> None:
        task.cancel()
        raise LookupError("overtaken")

    # Cancelled first, then thrown too late; and the other way round: thrown, then cancelled before its turn.
    task = spawn(run_outside, outside)
    with pytest.raises(Cancelled):
        task.result()
    assert "LookupError: overtaken" in capsys.readouterr().err

    def fails() -> None:
        get_hub().call_soon(task.cancel)
        raise LookupError("overtaken")

    task = spawn(run_outside, fails)
    with pytest.raises(Cancelled):
        task.result()
    assert "LookupError: overtaken" in capsys.readouterr().err


def test_loops_outside_end_last_in_first_out() -> None:
    log: list[str] = []
    first, second = GLib.MainLoop(), GLib.MainLoop()

    def runs(loop: GLib.MainLoop, name: str) -> None:
        run_outside(loop.run)
        log.append(name)

    tasks = [spawn(runs, first, "first"), spawn(runs, second, "second")]

    def quits() -> None:
        sleep(0)
        first.quit()
        sleep(0)
        log.append("first was told to quit")
        second.quit()

    tasks.append(spawn(quits))
    for task in tasks:
        task.join()
    assert log[0] == "first was told to quit"
    assert sorted(log[1:]) == ["first", "second"]


@in_child(says="worked\n0", env={"G_DEBUG": "fatal-warnings"})
def test_an_application_runs_outside_in_a_task() -> None:
    def activate(app: Gio.Application) -> None:
        app.hold()
        spawn(work)

    def work() -> None:
        sleep(0.01)
        print("worked")
        app.release()

    app = Gio.Application()
    app.connect("activate", activate)
    print(run(run_outside, app.run, ["app"]))

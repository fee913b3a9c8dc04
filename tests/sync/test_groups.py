"""Task groups: who is cancelled when, what is raised, and that nothing is lost."""

from __future__ import annotations

import contextvars
import os
import signal
from collections.abc import Callable

import pytest
from gi.repository import Gio

from gleenlet import (
    Cancelled,
    Event,
    GleenletError,
    Task,
    TaskGroup,
    UnsafeSwitchError,
    run,
    shield,
    sleep,
    spawn,
    timeout,
)
from inside import FOREVER, crash, crash_when_cancelled, in_task, kinds, me, settle


@in_task
def test_group_waits_for_its_tasks() -> None:
    log = []

    def child(number: int) -> int:
        sleep(0)
        log.append(number)
        return number

    with TaskGroup() as group:
        tasks = [group.spawn(child, number) for number in range(3)]
        assert log == []
        assert "tasks=3 entered" in repr(group)
    assert log == [0, 1, 2]
    assert [task.result() for task in tasks] == [0, 1, 2]


@in_task
def test_failed_task_cancels_the_others_and_the_block() -> None:
    log = []
    with pytest.raises(ExceptionGroup) as caught:
        with TaskGroup() as group:
            other = group.spawn(sleep, FOREVER)
            group.spawn(crash)
            try:
                sleep(FOREVER)
            except Cancelled:
                log.append("block")
                raise
    assert kinds(caught.value) == ["ZeroDivisionError"]
    assert log == ["block"]
    assert other.cancelled()
    assert me().cancelling() == 0
    sleep(0)  # not cancelled any more


@in_task
def test_all_failures_are_in_the_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        with TaskGroup() as group:
            group.spawn(crash_when_cancelled, ValueError)
            group.spawn(crash_when_cancelled, KeyError)
            group.spawn(crash, OSError)
            try:
                sleep(FOREVER)
            finally:
                raise TypeError
    assert kinds(caught.value) == ["KeyError", "OSError", "TypeError", "ValueError"]


@in_task
def test_except_star_sees_the_failures() -> None:
    seen = []
    try:
        with TaskGroup() as group:
            group.spawn(crash, ValueError)
            group.spawn(crash, KeyError)
    except* ValueError:
        seen.append("ValueError")
    except* KeyError:
        seen.append("KeyError")
    assert seen == ["ValueError", "KeyError"]


@in_task
def test_error_in_the_block_cancels_the_tasks() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        with TaskGroup() as group:
            task = group.spawn(sleep, FOREVER)
            sleep(0)
            raise ValueError("block")
    assert kinds(caught.value) == ["ValueError"]
    assert task.cancelled()
    assert caught.value.__cause__ is None


def leave_by_return(log: list[str]) -> str:
    with TaskGroup() as group:
        group.spawn(lambda: (sleep(0), log.append("child")))
        return "returned"


@in_task
def test_return_and_break_wait_for_the_tasks() -> None:
    log: list[str] = []
    assert leave_by_return(log) == "returned"
    assert log == ["child"]
    for _ in range(2):
        with TaskGroup() as group:
            group.spawn(lambda: (sleep(0), log.append("child")))
            break
    assert log == ["child"] * 2


def test_cancelling_the_parent_cancels_the_tasks() -> None:
    children: list[Task[None]] = []

    def parent() -> None:
        with TaskGroup() as group:
            children.extend(group.spawn(sleep, FOREVER) for _ in range(2))

    for cancels_at in ("waits in the group", "waits in the block"):
        task = spawn(parent)
        settle()
        task.cancel()
        task.join()
        assert task.cancelled(), cancels_at
        assert task.cancelling() == 1
    assert all(child.cancelled() for child in children)


def test_parent_cancelled_while_a_task_is_failing_gets_errors_first_then_the_cancellation() -> None:
    log = []

    def parent() -> None:
        try:
            with TaskGroup() as group:
                group.spawn(crash_when_cancelled)
                group.spawn(sleep, FOREVER)
        except* ZeroDivisionError:
            log.append(f"errors, cancelling {me().cancelling()}")
        sleep(0)
        log.append("not reached")

    task = spawn(parent)
    settle()
    task.cancel()
    task.join()
    assert log == ["errors, cancelling 1"]
    assert task.cancelled()


def test_failure_and_cancellation_of_the_parent_in_the_same_iteration() -> None:
    failing = Event()

    def fails() -> None:
        failing.wait()
        raise ValueError

    def parent() -> None:
        with TaskGroup() as group:
            group.spawn(fails)
            sleep(FOREVER)

    for turned in (False, True):
        task = spawn(parent)
        settle()
        acts: list[Callable[[], object]] = [failing.set, task.cancel]
        for act in reversed(acts) if turned else acts:
            act()
        task.join()
        # First come, first served: either the failure is there when the block is left, or the block is left
        # first and cancels the task on its way to fail.
        assert type(task.value) is (Cancelled if turned else ExceptionGroup)
        assert task.cancelling() == 1
        failing.clear()


@in_task
def test_child_that_is_cancelled_by_itself_is_not_a_failure() -> None:
    with TaskGroup() as group:
        task = group.spawn(sleep, FOREVER)
        sleep(0)
        task.cancel()
    assert task.cancelled()
    with TaskGroup() as group:
        group.spawn(crash, Cancelled)


@in_task
def test_no_task_joins_a_group_that_is_shutting_down() -> None:
    errors: list[BaseException] = []

    def child() -> None:
        try:
            sleep(FOREVER)
        finally:
            try:
                group.spawn(int)
            except RuntimeError as error:
                errors.append(error)

    with pytest.raises(ExceptionGroup) as caught:
        with TaskGroup() as group:
            group.spawn(child)
            group.spawn(crash)
    assert kinds(caught.value) == ["ZeroDivisionError"]
    assert "is shutting down" in str(errors[0])


@in_task
def test_child_may_spawn_into_its_group_while_the_block_has_ended() -> None:
    log = []

    def child(depth: int) -> None:
        log.append(depth)
        if depth:
            group.spawn(child, depth - 1)

    with TaskGroup() as group:
        group.spawn(child, 3)
    assert log == [3, 2, 1, 0]


@in_task
def test_group_is_used_in_its_block_only() -> None:
    group = TaskGroup()
    with pytest.raises(RuntimeError, match="has not been entered"):
        group.spawn(int)
    with group:
        with pytest.raises(RuntimeError, match="already been entered"), group:
            pass
    with pytest.raises(RuntimeError, match="is finished"):
        group.spawn(int)
    with pytest.raises(RuntimeError, match="already been entered"), group:
        pass


def test_group_needs_a_task() -> None:
    with pytest.raises(GleenletError, match="inside a task"), TaskGroup():
        pass


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_are_raised_as_they_are_with_the_failures_as_cause(error: type[BaseException]) -> None:
    def in_child() -> None:
        with TaskGroup() as group:
            group.spawn(crash_when_cancelled)
            group.spawn(crash, error)
            sleep(FOREVER)

    def in_block() -> None:
        with TaskGroup() as group:
            group.spawn(crash_when_cancelled)
            sleep(0)
            raise error

    for parent in (in_child, in_block):
        task = spawn(parent)
        with pytest.raises(error) as caught:
            task.result()
        cause = caught.value.__cause__
        assert isinstance(cause, ExceptionGroup)
        assert kinds(cause) == ["ZeroDivisionError"]


@in_task
def test_group_inside_a_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        with TaskGroup() as outer:
            outer.spawn(crash_when_cancelled, KeyError)
            with TaskGroup() as inner:
                inner.spawn(crash, ValueError)
                sleep(FOREVER)
    assert kinds(caught.value) == ["ExceptionGroup", "KeyError"]
    assert me().cancelling() == 0


@in_task
def test_both_groups_fail_at_once() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        with TaskGroup() as outer:
            with TaskGroup() as inner:
                outer.spawn(crash, KeyError)
                inner.spawn(crash, ValueError)
                sleep(FOREVER)
    assert sorted(map(repr, flat(caught.value))) == ["KeyError()", "ValueError()"]
    assert me().cancelling() == 0
    sleep(0)


def flat(group: BaseException) -> list[BaseException]:
    if isinstance(group, BaseExceptionGroup):
        return [one for error in group.exceptions for one in flat(error)]
    return [group]


@in_task
def test_error_after_the_cancellation_was_swallowed_in_the_block() -> None:
    with pytest.raises(ExceptionGroup):
        with TaskGroup() as group:
            group.spawn(crash)
            try:
                sleep(FOREVER)
            except Cancelled:
                pass
    assert me().cancelling() == 0
    sleep(0)


@in_task
def test_level_of_cancellation_before_the_group_is_kept() -> None:
    me().cancel()
    with pytest.raises(Cancelled):
        sleep(0)
    with pytest.raises(ExceptionGroup):
        with TaskGroup() as group:
            group.spawn(crash)
    assert me().cancelling() == 1
    with pytest.raises(Cancelled):
        sleep(0)
    me().uncancel()


@in_task
def test_group_passes_names_priorities_arguments_and_context_on() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(3)
    with TaskGroup() as group:
        task = group.spawn(lambda a, *, b: (a, b, variable.get()), 1, b=2, name="it", priority=100)
    assert (task.name, task.priority, task.result()) == ("it", 100, (1, 2, 3))


def test_many_cancellations_of_a_parent_that_waits_for_its_tasks() -> None:
    done = Event()

    def stubborn() -> None:
        try:
            sleep(FOREVER)
        finally:
            with shield():
                done.wait()

    def parent() -> None:
        with TaskGroup() as group:
            group.spawn(stubborn)

    task = spawn(parent)
    for _ in range(3):
        settle()
        task.cancel()
    settle()
    assert not task.done()
    done.set()
    task.join()
    assert task.cancelled()


def test_run_returns_what_a_group_made() -> None:
    def main() -> int:
        with TaskGroup() as group, timeout(FOREVER):
            return group.spawn(pow, 2, 5).result()

    assert run(main) == 32


def test_ctrl_c_while_a_group_waits_cancels_its_tasks() -> None:
    tasks: list[Task[None]] = []

    def main() -> None:
        with TaskGroup() as group:
            tasks.append(group.spawn(sleep, FOREVER))
            group.spawn(os.kill, os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert tasks[0].cancelled()


def test_group_left_where_waiting_is_refused_cancels_its_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    started = Event()
    errors: list[BaseException] = []

    def child() -> None:
        started.set()
        crash_when_cancelled()

    def leave(group: TaskGroup) -> None:
        with pytest.raises(UnsafeSwitchError) as caught:
            group.__exit__(None, None, None)
        errors.append(caught.value)

    def main() -> None:
        group = TaskGroup().__enter__()
        group.spawn(child)
        started.wait()
        action = Gio.SimpleAction.new("leave", None)
        action.connect("activate", lambda *_: leave(group))
        action.activate(None)

    run(main)
    settle()
    assert len(errors) == 1
    assert "ZeroDivisionError" in (err := capsys.readouterr().err)
    assert "whose TaskGroup is over" in err

"""Where blocking is unsafe, and where it is not."""

from __future__ import annotations

import math
import os
import resource
import warnings
from typing import Any

import pytest
from gi.repository import GLib, GObject

from child import in_child
from gleenlet import (
    UnsafeSwitchError,
    get_hub,
    run,
    sleep,
    spawn,
    wait_readable,
    wait_writable,
)
from gleenlet._core import Waiter

pytestmark = pytest.mark.usefixtures("nothing_left")


class Counter(GObject.Object):
    value = GObject.Property(type=int, default=0)


def test_blocking_in_a_loop_callback_names_the_line() -> None:
    errors: list[BaseException] = []

    def on_idle() -> None:
        try:
            sleep(1)
        except UnsafeSwitchError as error:
            errors.append(error)
        loop.quit()

    loop = GLib.MainLoop()
    GLib.idle_add(on_idle)
    loop.run()
    line = on_idle.__code__.co_firstlineno + 2
    assert f"on_idle ({__file__}:{line})" in str(errors[0])
    assert "spawn" in str(errors[0])


def test_blocking_in_a_handler_under_a_task_is_refused() -> None:
    counter = Counter()
    errors: list[BaseException] = []
    read_fd, write_fd = os.pipe()

    def on_notify(*_: object) -> None:
        for block in (
            lambda: sleep(0),
            lambda: wait_readable(read_fd),
            lambda: Waiter().wait(),
            get_hub().switch,
        ):
            with pytest.raises(UnsafeSwitchError) as caught:
                block()
            errors.append(caught.value)

    counter.connect("notify::value", on_notify)
    spawn(setattr, counter, "value", 1).result()
    os.close(read_fd)
    os.close(write_fd)
    assert len(errors) == 4
    assert __file__ in str(errors[0])


@in_child()
def test_refusals_leave_nothing() -> None:
    hub, loop = get_hub(), GLib.MainLoop()
    task = spawn(sleep, math.inf)
    _, writer = os.pipe()
    waits = (lambda: sleep(1), lambda: wait_writable(writer, 5), lambda: task.join(1), hub.switch)

    def most_memory_after(n: int) -> int:
        for _ in range(n):
            for wait in waits:
                try:
                    wait()
                except UnsafeSwitchError:
                    continue
                raise AssertionError("not refused")
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    grown: list[int] = []

    def idle() -> None:
        before = most_memory_after(2_000)
        grown.append(most_memory_after(25_000) - before)
        loop.quit()

    GLib.idle_add(idle)
    loop.run()
    assert grown[0] < 2000, grown
    assert (hub.tasks(), hub._timers, hub.foreign, task.callbacks) == ([task], 0, {}, [])


def test_plain_c_builtins_may_block() -> None:
    class Sleepy:
        def __repr__(self) -> str:
            sleep(0)
            return "Sleepy"

        def __del__(self) -> None:
            sleep(0)
            log.append("deleted")

    import re

    log: list[str] = []

    def work() -> list[Any]:
        thing = Sleepy()
        text = repr(thing)
        del thing
        return [
            sorted([3, 1, 2], key=lambda v: sleep(0) or v),
            list(map(lambda v: sleep(0) or v, "ab")),  # noqa: C417  # C code in between is the point
            re.sub("a", lambda _: sleep(0) or "b", "banana"),
            text,
        ]

    ticker = spawn(lambda: [sleep(0) for _ in range(5)])
    assert spawn(work).result() == [[1, 2, 3], ["a", "b"], "bbnbnb", "Sleepy"]
    assert log == ["deleted"]
    ticker.join()


def test_nested_loop_in_a_task_holds_tasks_and_warns_once() -> None:
    log: list[str] = []

    def opens_a_dialog() -> None:
        for _ in range(2):
            inner = GLib.MainLoop()
            GLib.timeout_add(20, inner.quit)
            inner.run()
        log.append("closed")

    def work() -> None:
        log.append("worked")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        get_hub().complained = False
        dialog = spawn(opens_a_dialog)
        worker = spawn(work)
        dialog.result()
        worker.join()
    assert log == ["closed", "worked"]
    told = [str(w.message) for w in caught if w.category is RuntimeWarning]
    assert len(told) == 1
    assert f"{__file__}:{opens_a_dialog.__code__.co_firstlineno + 4}" in told[0]
    assert "run_outside()" in told[0]


@pytest.mark.parametrize("wait", ["time", "descriptor"])
@in_child(says="...run_outside()...")
def test_a_loop_in_a_task_is_told_of_also_where_tasks_wait_for_time_or_descriptors(wait: str) -> None:
    reader, writer = os.pipe()

    def opens_a_dialog() -> None:
        loop = GLib.MainLoop()

        def told(message: Warning | str, *_: object) -> None:
            assert "opens_a_dialog" in str(message)
            print(message)
            loop.quit()  # nothing else ends it

        warnings.showwarning = told  # type: ignore[assignment]
        os.write(writer, b"x")
        loop.run()

    def main() -> None:
        sleep(0)
        opens_a_dialog()

    task = spawn(sleep, 0.01) if wait == "time" else spawn(wait_readable, reader)
    run(main)
    task.join()


def test_a_loop_in_a_task_that_nobody_waits_for_is_told_of_to_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        get_hub().complained = False

        def runs_a_loop() -> None:
            inner = GLib.MainLoop()
            GLib.timeout_add(1, inner.quit)
            inner.run()

        spawn(runs_a_loop).result()
        assert not get_hub().complained


def test_a_loop_in_a_task_sleeps_although_a_descriptor_is_readable_that_others_wait_for() -> None:
    read_fd, write_fd = os.pipe()
    context = GLib.MainContext.default()
    dispatched: list[bool] = []

    def runs_a_loop() -> None:
        os.write(write_fd, b"x")
        context.iteration(False)  # tells of it
        GLib.timeout_add(20, lambda: None)
        dispatched.append(context.iteration(True))  # False: poll() came back for nothing

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        get_hub().complained = False
        reader = spawn(wait_readable, read_fd)
        sleep(0)
        spawn(runs_a_loop).result()
        assert get_hub().complained
        reader.result()
    os.close(read_fd)
    os.close(write_fd)
    assert dispatched == [True]

"""A raw switch out of a callback is reported, with both stacks; one that is safe is not."""

from __future__ import annotations

import threading
from typing import Any

import greenlet as greenlets
import pytest
from gi.repository import GLib, GObject
from greenlet import getcurrent, greenlet

from child import HAZARDS, run_script
from gleenlet import get_hub, run, schedule_switch, sleep, spawn
from gleenlet.debug import UnsafeSwitch, watch_switches

DEBUG = {"GLEENLET_DEBUG": "1", "XDG_RUNTIME_DIR": "/nonexistent"}


def in_a_callback(func: Any) -> None:
    """Call it in a callback of GLib's."""
    loop = GLib.MainLoop()

    def call() -> bool:
        try:
            func()
        finally:
            loop.quit()
        return False

    GLib.idle_add(call)
    loop.run()


def older() -> greenlet:
    """A greenlet whose stack begins above the loop's frames: it goes back at once."""
    main = getcurrent()

    def comes_back() -> None:
        while True:
            main.switch()

    found = greenlet(comes_back)
    found.switch()
    return found


def test_a_raw_switch_out_of_a_callback_is_reported_with_both_stacks() -> None:
    other = older()
    found: list[UnsafeSwitch] = []

    def switches() -> None:
        other.switch()

    with watch_switches(found.append):
        for _ in range(2):  # once a place
            in_a_callback(switches)
    (report,) = found
    assert report.where is not None
    assert report.where.function.endswith("switches")
    assert [frame.function.rpartition(".")[2] for frame in report.target_stack] == ["comes_back"]
    assert report.origin.startswith("the main greenlet ")
    text = str(report)
    assert text.startswith("gleenlet: unsafe switch")
    assert text.index("switches (") < text.index("comes_back (")
    in_a_callback(switches)
    assert len(found) == 1


def test_it_is_printed_unless_somebody_wants_it(capsys: pytest.CaptureFixture[str]) -> None:
    other = older()
    with watch_switches():
        in_a_callback(lambda: other.switch())
    assert "unsafe switch" in capsys.readouterr().err


def test_what_it_calls_may_fail(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_: UnsafeSwitch) -> None:
        raise ZeroDivisionError

    other = older()
    with watch_switches(fails):
        in_a_callback(lambda: other.switch())
        assert greenlets.gettrace() is not None
    assert "ZeroDivisionError" in capsys.readouterr().err


class Emitter(GObject.Object):
    __gsignals__ = {"happened": (GObject.SignalFlags.RUN_FIRST, None, ())}  # noqa: RUF012


def test_what_is_safe_is_not_reported() -> None:
    found: list[UnsafeSwitch] = []

    def generates() -> None:
        for _ in range(3):
            parent = getcurrent().parent
            assert parent is not None
            parent.switch()

    def within() -> None:
        inner = greenlet(generates)  # born in the callback, deeper than its frames
        for _ in range(3):
            inner.switch()

    def waits() -> None:
        for _ in range(3):
            sleep(0)

    def nested() -> None:
        emitter = Emitter()
        emitter.connect("happened", lambda _: within())
        emitter.emit("happened")

    with watch_switches(found.append):
        in_a_callback(within)
        in_a_callback(nested)
        raw = greenlet(lambda: get_hub().switch())
        schedule_switch(raw)
        tasks = [spawn(waits) for _ in range(5)] + [spawn(nested)]
        run(waits)
        schedule_switch(raw)
        for task in tasks:
            task.join()
        get_hub().call_soon(spawn, waits)
        run(waits)
    assert [str(report) for report in found] == []


def test_another_trace_function_goes_on() -> None:
    seen: list[str] = []

    def traces(event: str, _greenlets: Any) -> None:
        seen.append(event)

    before = greenlets.settrace(traces)
    try:
        with watch_switches():
            greenlet(int).switch()
        assert seen == ["switch", "switch"]
        assert greenlets.gettrace() is traces
        watched = watch_switches()
        greenlets.settrace(None)
        watched.stop()
        watched.stop()
        assert greenlets.gettrace() is None
    finally:
        greenlets.settrace(before)


def test_threads_that_have_a_hub_are_watched() -> None:
    found: list[UnsafeSwitch] = []
    go, ready = threading.Event(), threading.Event()

    def thread() -> None:
        get_hub()
        ready.set()
        go.wait()
        other = older()
        context = get_hub()._own_context
        assert context is not None
        source = GLib.Idle()

        def call(*_: object) -> bool:
            other.switch()
            return False

        source.set_callback(call)
        run(sleep, 0)
        source.attach(context)
        while not found:
            context.iteration(True)

    worker = threading.Thread(target=thread)
    worker.start()
    ready.wait()
    with watch_switches(found.append):
        go.set()
        worker.join()
    assert len(found) == 1


@pytest.mark.parametrize("name", ["switch_in_emission", "nested_loop", "switch_in_emission_green"])
def test_gleenlet_in_debug_mode_reports_none_of_its_own(name: str) -> None:
    outcome = run_script(HAZARDS / f"{name}.py", env=DEBUG)
    assert outcome.status in (0, 1), outcome.stderr  # 1: its UnsafeSwitchError
    assert "unsafe switch" not in outcome.stderr


@pytest.mark.parametrize("name", ["switch_in_emission", "nested_loop"])
def test_what_crashes_is_reported_before_in_debug_mode(name: str) -> None:
    path = str(HAZARDS / f"{name}_bare.py")
    script = f"import gleenlet, runpy; gleenlet.get_hub(); runpy.run_path({path!r}, run_name='__main__')"
    outcome = run_script(script, env=DEBUG)
    # Whether it crashes after that is chance: with GLib 2.90 one of them lives.
    assert "unsafe switch" in outcome.stderr

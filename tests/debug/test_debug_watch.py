"""The watchdog: what stops a loop is named while it does."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable

import pytest
from gi.repository import Gio, GLib

from child import run_script
from gleenlet import get_hub, run, sleep
from gleenlet.debug import Frame, Stall, watch
from gleenlet.debug._hints import hint
from gleenlet.debug._watch import PER_HOUR, Pulse, Watch


def until(stalls: list[Stall], where: str) -> bool:
    return any(stall.where is not None and stall.where.function.endswith(where) for stall in stalls)


def frozen(freeze: Callable[[list[Stall]], None]) -> Stall:
    """The report of a task that runs this until it is reported."""
    stalls: list[Stall] = []
    with watch(0.02, stalls.append):
        run(freeze, stalls)
    return next(stall for stall in stalls if stall.task is not None)


def test_a_task_that_stops_the_loop_is_named_while_it_does() -> None:
    def freeze(stalls: list[Stall]) -> None:
        while not until(stalls, "freeze"):
            time.sleep(0.001)

    stall = frozen(freeze)
    text = str(stall)
    assert stall.seconds >= 0.02
    assert stall.thread == "MainThread"
    assert text.startswith("gleenlet: the loop of MainThread has been stuck for ")
    assert f"freeze ({__file__}:" in text
    assert text.endswith("To wait in a task: gleenlet.sleep(seconds)")


def test_a_callback_that_stops_the_loop_is_named() -> None:
    stalls: list[Stall] = []

    def callback() -> None:
        while not until(stalls, "callback"):
            time.sleep(0.001)

    loop = GLib.MainLoop()
    GLib.idle_add(lambda: callback() or loop.quit())
    get_hub()
    with watch(0.02, stalls.append):
        loop.run()
    stall = next(stall for stall in stalls if until([stall], "callback"))
    assert stall.task is None
    assert "in a callback" in str(stall)


def test_a_plain_asyncio_loop_in_a_task_is_named() -> None:
    def freeze(stalls: list[Stall]) -> None:
        async def main() -> None:
            while not stalls:
                await asyncio.sleep(0.001)

        loop = asyncio.SelectorEventLoop()
        loop.run_until_complete(main())
        loop.close()

    with pytest.warns(RuntimeWarning):
        stall = frozen(freeze)
    assert "gleenlet.asyncio" in str(stall)


def test_a_future_that_is_waited_for_is_named() -> None:
    def freeze(stalls: list[Stall]) -> None:
        future: concurrent.futures.Future[None] = concurrent.futures.Future()

        def end() -> None:
            while not stalls:
                time.sleep(0.001)
            future.set_result(None)

        thread = threading.Thread(target=end)
        thread.start()
        future.result()
        thread.join()

    assert str(frozen(freeze)).endswith("To wait for a future: wait_future(future)")


def test_a_synchronous_call_of_gio_is_named() -> None:
    def freeze(stalls: list[Stall]) -> None:
        # It comes back at once; the loop of them is what stops the other one.
        bus = Gio.bus_get_sync(Gio.BusType.SESSION)
        while not stalls:
            bus.call_sync(
                "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", None, None, Gio.DBusCallFlags.NONE, -1
            )

    assert any(words in str(frozen(freeze)) for words in ("D-Bus method", "long beside the loop"))


def test_a_place_is_reported_once() -> None:
    stalls: list[Stall] = []
    watchdog = Watch(1000, stalls.append)
    watchdog.stop()
    pulse = Pulse(get_hub())
    one, other = Frame("app.py", 1, "f", False), Frame("app.py", 2, "f", False)
    for frame in (one, one, other):
        pulse.stacks = [(frame,)]
        watchdog._report(pulse, None, 0.0)
    assert [stall.where for stall in stalls] == [one, other]
    for line in range(3, 100):
        pulse.stacks = [(Frame("app.py", line, "f", False),)]
        watchdog._report(pulse, None, 1.0)
    assert len(stalls) == PER_HOUR
    watchdog._report(pulse, None, 3602.0)
    assert len(stalls) == PER_HOUR + 1


def test_a_program_that_runs_no_loop_is_not_stuck() -> None:
    run(sleep, 0)
    watchdog = Watch(1000, None)
    watchdog.stop()
    pulse = Pulse(get_hub(), answered=False)
    looks = threading.Thread(target=watchdog._look, args=(pulse, 5000.0))
    looks.start()
    looks.join()
    assert (pulse.asked, pulse.reported, pulse.stacks) == (5000.0, False, [])


def test_what_on_stall_raises_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    watchdog = Watch(1000, lambda stall: 1 // 0)
    watchdog.stop()
    watchdog._report(Pulse(get_hub(), stacks=[(Frame("app.py", 1, "f", False),)]), "load", 0.0)
    assert "ZeroDivisionError" in capsys.readouterr().err
    watchdog._on_stall = None
    watchdog._report(Pulse(get_hub(), stacks=[(Frame("a.py", 1, "f", False),), ()]), "load", 0.0)
    assert "stuck for 0.0 s, in task 'load'\n    f (a.py:1)\n  then:\n  To do" in capsys.readouterr().err


def test_a_threshold_of_nothing_is_refused() -> None:
    for bad in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            watch(bad)


def test_gleenlet_debug_watches_too() -> None:
    program = "import time, gleenlet\ndef freeze(): time.sleep(1)\ngleenlet.run(freeze)"
    outcome = run_script(program, env={"GLEENLET_DEBUG": "1"})
    assert outcome.status == 0
    assert "has been stuck for" in outcome.stderr
    assert "freeze (<string>:2)" in outcome.stderr


def test_hints() -> None:
    library = Frame("/usr/lib/python3.11/zipfile.py", 0, "read", False)
    assert hint([library, Frame("/usr/lib/python3.11/subprocess.py", 0, "wait", False)]).startswith(
        "To wait for a child"
    )
    assert hint([]) == hint([library]) == hint([Frame("app.py", 0, "x", False), library])
    threads = Frame("/usr/lib/python3.11/threading.py", 0, "wait", False)
    assert hint([threads, Frame("/usr/lib/python3.11/queue.py", 0, "get", False)]).startswith(
        "To wait for another thread"
    )

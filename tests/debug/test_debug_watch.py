"""The watchdog: what stops a loop is named while it does."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import Gio, GLib, GObject

from child import in_child, run_script
from gleenlet import get_hub, run, sleep
from gleenlet._core import all_hubs
from gleenlet.debug import Frame, Stall, watch
from gleenlet.debug._hints import hint
from gleenlet.debug._recorder import Pulse
from gleenlet.debug._watch import HOUR, PER_HOUR, Loop, Watch


def reported(attempt: Callable[[list[Stall]], None], says: Callable[[Stall], bool], seconds: float = 0.05) -> Stall:
    """The report that says this, of what is stuck until there is a report.

    A machine that stands still meanwhile has one of another place: then it is tried again.
    """
    others: list[Stall] = []
    while len(others) < 50:
        stalls: list[Stall] = []
        with watch(seconds, stalls.append):
            attempt(stalls)
        for stall in stalls:
            if says(stall):
                return stall
        others += stalls
    raise AssertionError("\n".join(map(str, others)))


def frozen(freeze: Callable[[list[Stall]], None], says: Callable[[Stall], bool]) -> Stall:
    return reported(lambda stalls: run(freeze, stalls), lambda stall: stall.task is not None and says(stall))


def stands_in(name: str) -> Callable[[Stall], bool]:
    return lambda stall: stall.where is not None and stall.where.function.endswith(name)


def ends_with(text: str) -> Callable[[Stall], bool]:
    return lambda stall: str(stall).endswith(text)


def test_a_task_that_stops_the_loop_is_named_while_it_does() -> None:
    def freeze(stalls: list[Stall]) -> None:
        while not stalls:
            time.sleep(0.001)

    stall = frozen(freeze, ends_with("To wait in a task: gleenlet.sleep(seconds)"))
    text = str(stall)
    assert stall.seconds >= 0.05
    assert stall.thread == "MainThread"
    assert text.startswith("gleenlet: the loop of MainThread has been stuck for ")
    assert f"freeze ({__file__}:" in text


def test_a_callback_that_stops_the_loop_is_named() -> None:
    def attempt(stalls: list[Stall]) -> None:
        def callback() -> None:
            while not stalls:
                time.sleep(0.001)

        loop = GLib.MainLoop()
        GLib.idle_add(lambda: callback() or loop.quit())
        loop.run()

    get_hub()
    stall = reported(attempt, stands_in("callback"))
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
        frozen(freeze, lambda stall: "gleenlet.asyncio" in str(stall))


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

    frozen(freeze, ends_with("To wait for a future: wait_future(future)"))


# A service whose method takes as long as it is told, so the caller is stuck in one synchronous call.
SLOW_SERVICE = """
import sys
from gi.repository import Gio, GLib, GObject

NODE = Gio.DBusNodeInfo.new_for_xml(
    '<node><interface name="org.example.Slow"><method name="Wait"/></interface></node>'
)
bus = Gio.bus_get_sync(Gio.BusType.SESSION)

def called(bus, sender, path, interface, method, parameters, invocation):
    sys.stdin.readline()
    invocation.return_value(None)

bus.register_object("/", NODE.interfaces[0], called, None, None)
print(bus.get_unique_name(), flush=True)
GLib.MainLoop().run()
"""


def test_a_synchronous_dbus_call_is_named() -> None:
    service = subprocess.Popen(
        [sys.executable, "-c", SLOW_SERVICE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert service.stdin is not None
    assert service.stdout is not None
    name = service.stdout.readline().strip()
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)

    def attempt(stalls: list[Stall]) -> None:
        def lets_it_end() -> None:
            while not stalls:
                time.sleep(0.001)
            service.stdin.write("\n")  # type: ignore[union-attr]
            service.stdin.flush()  # type: ignore[union-attr]

        def freeze() -> None:
            bus.call_sync(name, "/", "org.example.Slow", "Wait", None, None, Gio.DBusCallFlags.NONE, -1)

        thread = threading.Thread(target=lets_it_end)
        thread.start()
        run(freeze)
        thread.join()

    try:
        reported(attempt, ends_with("To call a D-Bus method in a task: call(proxy.call, ...), or gleenlet.dbus"))
    finally:
        service.kill()
        service.communicate()


def test_what_called_a_stuck_callback_is_named() -> None:
    def attempt(stalls: list[Stall]) -> None:
        action = Gio.SimpleAction.new("save", None)

        def on_activate(action: Gio.SimpleAction, parameter: None) -> None:
            while not stalls:
                time.sleep(0.001)

        action.connect("activate", on_activate)
        loop = GLib.MainLoop()
        GLib.timeout_add(1, lambda: action.activate(None) or loop.quit())
        loop.run()

    get_hub()
    stall = reported(attempt, stands_in("on_activate"))
    assert stall.dispatched_by == ("signal 'activate' of <SimpleAction>", "timeout, priority 0")
    assert "\n  called for signal 'activate' of <SimpleAction>; timeout, priority 0\n    " in str(stall)


def test_the_signal_of_a_stuck_task_is_named_with_its_detail() -> None:
    def freeze(stalls: list[Stall]) -> None:
        store = Gio.ListStore.new(GObject.Object)

        def on_notify(*arguments: object) -> None:
            while not stalls:
                time.sleep(0.001)

        store.connect("notify::n-items", on_notify)
        store.append(GObject.Object())

    stall = frozen(freeze, stands_in("on_notify"))
    assert stall.dispatched_by == ("signal 'notify::n-items' of <ListStore>",)


def test_samples_begin_at_half_the_threshold_and_show_what_changed() -> None:
    first: list[float] = []

    def one() -> None:  # until its sample is there
        while not (loops := [one for one in tuple(watchdog._loops.values()) if one.hub is get_hub() and one.stacks]):
            time.sleep(0.001)
        (loop,) = loops
        awake = loop.pulse.awake()
        assert awake is not None
        first.append(time.monotonic() - awake[1])

    def other() -> None:
        while not stalls:
            time.sleep(0.001)

    def freeze() -> None:
        one()
        other()

    functions: list[str] = []
    for _ in range(50):  # once, unless the machine stands still between the first sample and the report
        stalls: list[Stall] = []
        watchdog = watch(0.5, stalls.append)
        with watchdog:
            run(freeze)
        stall = next(stall for stall in stalls if stall.task is not None)
        functions = [frame.function.rpartition(".")[2] for stack in stall.stacks for frame in stack]
        if "other" in functions:
            break
    assert min(first) >= 0.25
    assert functions.index("one") < functions.index("other")
    assert "  then:\n" in str(stall)


@in_child(
    says="reported while stuck", warns="...has been stuck for 0.1 s, in task...takes (...To wait for another thread..."
)
def test_a_deadlock_is_reported_at_the_threshold() -> None:
    import os

    one, other, held = threading.Lock(), threading.Lock(), threading.Event()

    def elsewhere() -> None:
        with other:
            held.set()
            with one:
                pass

    def takes() -> None:
        with one:
            threading.Thread(target=elsewhere, daemon=True).start()
            held.wait()
            other.acquire()

    def reported(stall: Stall) -> None:
        print(stall, file=sys.stderr)
        print("reported while stuck", flush=True)
        os._exit(0)

    watch(0.1, reported)
    run(takes)


def watched() -> tuple[Watch, Loop, list[Stall]]:
    """A watchdog that has been stopped, to be moved by hand."""
    stalls: list[Stall] = []
    watchdog = Watch(1000, stalls.append)
    watchdog.stop()
    watchdog._thread.join()
    hub = get_hub()
    return watchdog, Loop(hub, Pulse(hub)), stalls


def test_a_place_is_reported_once_and_so_many_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog, loop, stalls = watched()
    one, other = Frame("app.py", 1, "f", False), Frame("app.py", 2, "f", False)
    for frame in (one, one, other):
        loop.stacks = [(frame,)]
        watchdog._report(loop, None, 0.0)
    assert [stall.where for stall in stalls] == [one, other]
    for line in range(3, 100):
        loop.stacks = [(Frame("app.py", line, "f", False),)]
        watchdog._report(loop, None, 1.0)
    assert len(stalls) == PER_HOUR
    watchdog._reports = [time - HOUR for time in watchdog._reports]
    watchdog._report(loop, None, 1.0)
    assert len(stalls) == PER_HOUR + 1


def test_a_program_that_runs_no_loop_is_not_stuck() -> None:
    run(sleep, 0)
    watchdog, loop, stalls = watched()
    watchdog._seconds = 1e-9
    GLib.MainContext.default().iteration(False)
    assert loop.pulse.awake() is not None, "as far as the loop knows, what it dispatches takes long"
    while time.monotonic() < loop.pulse.awake()[1] + 0.01:  # type: ignore[index]
        pass
    looks = threading.Thread(target=watchdog._look, args=(loop,))
    looks.start()
    looks.join()
    assert (stalls, loop.stacks) == ([], [])


def test_a_loop_is_asleep_in_poll_and_awake_in_a_callback() -> None:
    hub = get_hub()
    pulse = Pulse(hub)
    assert pulse.awake() is not None, "nothing is known of a loop yet: it might be stuck"
    loop = GLib.MainLoop()
    asked = threading.Event()
    seen: list[Any] = []

    def ask() -> None:
        while pulse.awake() is not None or pulse.dispatched() != []:
            pass
        seen.append(pulse.awake())
        GLib.idle_add(loop.quit)

    thread = threading.Thread(target=ask)
    GLib.idle_add(
        lambda: seen.append(pulse.awake()) or seen.append(pulse.dispatched()) or thread.start() or asked.set()
    )
    loop.run()
    thread.join()
    (turn, since), dispatched, asleep = seen
    assert turn % 2 == 1
    assert since <= time.monotonic()
    assert dispatched == ["idle, priority 200"]
    assert asleep is None
    pulse.stop()
    pulse.stop()
    assert (pulse.awake(), pulse.dispatched()) == (None, [])


def test_what_on_stall_raises_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    watchdog, loop, _ = watched()
    watchdog._on_stall = lambda stall: 1 // 0
    loop.stacks = [(Frame("app.py", 1, "f", False),)]
    watchdog._report(loop, "load", 0.0)
    assert "ZeroDivisionError" in capsys.readouterr().err
    watchdog._on_stall = None
    loop.stacks = [(Frame("a.py", 1, "f", False),), ()]
    watchdog._report(loop, "load", 0.0)
    assert "stuck for 0.0 s, in task 'load'\n    f (a.py:1)\n  then:\n  To do" in capsys.readouterr().err


def test_hubs_that_end_are_watched_no_longer() -> None:
    looked = threading.Event()
    with watch(0.01) as watchdog:

        def work() -> None:
            context = GLib.MainContext.new()
            context.push_thread_default()
            hub = id(run(get_hub))
            while hub not in watchdog._loops:
                run(sleep, 0.001)
            looked.set()
            context.pop_thread_default()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert looked.is_set()
        gc.collect()
        while len(watchdog._loops) > len(all_hubs()):
            time.sleep(0.001)


def test_a_threshold_of_nothing_is_refused() -> None:
    for bad in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            watch(bad)
    with pytest.raises(TypeError, match="seconds must be a number of seconds, not str"):
        watch("1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_stall must be a function of a Stall, not int"):
        watch(1, 3)  # type: ignore[arg-type]


def test_gleenlet_debug_watches_too() -> None:
    program = """
import io, sys, time
sys.stderr = io.StringIO()
import gleenlet

def freeze():
    while "freeze (<string>" not in sys.stderr.getvalue():
        time.sleep(0.001)

gleenlet.run(freeze)
print(sys.stderr.getvalue())
"""
    outcome = run_script(program, env={"GLEENLET_DEBUG": "1"})
    assert outcome.status == 0
    assert "has been stuck for" in outcome.stdout


def test_hints_say_what_to_write_instead() -> None:
    library = Frame("/usr/lib/python3.11/zipfile.py", 0, "read", False)
    assert hint([library, Frame("/usr/lib/python3.11/subprocess.py", 0, "wait", False)]).startswith(
        "To wait for a child"
    )
    assert hint([]) == hint([library]) == hint([Frame("app.py", 0, "x", False), library])
    threads = Frame("/usr/lib/python3.11/threading.py", 0, "wait", False)
    assert hint([threads, Frame("/usr/lib/python3.11/queue.py", 0, "get", False)]).startswith(
        "To wait for another thread"
    )

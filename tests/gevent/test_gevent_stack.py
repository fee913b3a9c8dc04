"""gleenlet.gevent: where a greenlet may wait, nested loops, emissions. Plain gevent dies of most of these."""

from __future__ import annotations

import os
import signal
import time
import warnings
from typing import Any

import pytest
from gi.repository import GLib

pytest.importorskip("gevent")

import gevent
import gevent.event
import gevent.socket
from gevent.exceptions import BlockingSwitchOutError

import gleenlet.gevent
from inside_gevent import PLAIN, Counter, in_gevent, loop, poll_gevent, turns_of, until

CRASHES = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)


def waits_in_emissions(rounds: int) -> None:
    refused: list[gleenlet.UnsafeSwitchError] = []

    def worker(k: int) -> None:
        for i in range(rounds):
            counter = counters[(k * 7 + i) % len(counters)]
            try:
                counter.emit("open", i * k)
                counter.value = i % 1000
            except gleenlet.UnsafeSwitchError:
                pass
            gevent.sleep(0.001)

    def on_open(_: object, v: int) -> None:
        try:
            gevent.sleep(0.001 + v % 7 / 1000)
        except gleenlet.UnsafeSwitchError as error:
            refused.append(error)

    counters = [Counter() for _ in range(10)]
    for counter in counters:
        counter.connect("open", on_open)
        counter.connect("notify::value", lambda *_: on_open(None, 1))
    workers = [gevent.spawn(worker, k) for k in range(20)]
    gevent.spawn(lambda: (gevent.joinall(workers), loop.quit()))
    loop.run()
    assert all(worker.dead for worker in workers)
    assert len(refused) > 1000
    print(refused[0])


def nested_loops(rounds: int) -> None:
    steps: list[int] = []
    nested: list[int] = []

    def deep(n: int, counter: Counter, i: int) -> object:
        if n == 0:
            return sorted([3, 1, 2], key=lambda v: counter.set_property("value", v) or v)
        return max([n], key=lambda _: bool(deep(n - 1, counter, i)))

    def worker(k: int) -> None:
        i = 0
        while True:
            i += 1
            counter = counters[(k * 7 + i) % len(counters)]
            counter.value = i
            deep(20, counter, i)
            steps.append(i)
            gevent.sleep(0.001)

    def on_open(dialog: Counter, level: int) -> None:
        inner = GLib.MainLoop()
        GLib.timeout_add(30, lambda: len(steps) == before or inner.quit())
        if level:
            GLib.timeout_add(5, lambda: dialog.emit("open", level - 1))
        before = len(steps)
        inner.run()
        nested.append(len(steps) - before)

    def opens() -> bool:
        dialog.emit("open", 3)
        if len(nested) >= rounds:
            loop.quit()
        return True

    counters = [Counter() for _ in range(10)]
    for counter in counters:
        counter.connect("notify::value", lambda *_: None)
    dialog = Counter()
    dialog.connect("open", on_open)
    for k in range(20):
        gevent.spawn(worker, k)
    GLib.timeout_add(20, opens)
    loop.run()
    assert min(nested) > 0, nested


@in_gevent(early=PLAIN, status=CRASHES, says="...")  # GLib may say on its way out what it met
@pytest.mark.parametrize("hazard", ["emissions", "loops"])
def test_the_hazards_kill_plain_gevent(hazard: str) -> None:
    poll_gevent()
    (waits_in_emissions if hazard == "emissions" else nested_loops)(10**6)


@in_gevent(says="...on_open (...:...)...gevent.spawn...")
def test_a_greenlet_that_waits_in_a_handler_it_triggered_gets_an_error() -> None:
    waits_in_emissions(100)


@in_gevent()
def test_greenlets_go_on_in_nested_loops_in_a_handler() -> None:
    nested_loops(20)


@in_gevent()
def test_blocking_in_a_glib_callback_is_gevents_own_error() -> None:
    errors: list[Any] = []

    def callback() -> None:
        for wait in (lambda: gevent.sleep(0.01), lambda: gevent.event.Event().wait(), gevent.spawn(int).join):
            try:
                wait()
            except BlockingSwitchOutError as error:
                errors.append(str(error))
        loop.quit()

    gevent.sleep(0)
    GLib.idle_add(callback)
    loop.run()
    assert len(errors) == 3, errors
    assert "callback" in errors[0], errors
    assert "gevent.spawn" in errors[0], errors


@in_gevent()
def test_the_main_greenlet_may_wait_in_an_emission_of_its_own_and_notify_in_a_nested_loop() -> None:
    counter = Counter()
    steps: list[Any] = []

    def changed(*_: Any) -> None:
        gevent.sleep(0.02)  # the main greenlet's frames never move
        steps.append(counter.value)

    def spin() -> None:
        other = Counter()
        other.connect("notify::value", lambda *_: None)
        while True:
            other.value += 1
            gevent.sleep(0.001)

    gevent.spawn(spin)
    counter.connect("notify::value", changed)
    for value in range(5):
        counter.value = value + 1

    def nested(*_: Any) -> None:
        inner = GLib.MainLoop()
        GLib.timeout_add(20, inner.quit)
        GLib.timeout_add(5, lambda: plain.set_property("value", plain.value + 1))
        inner.run()

    plain = Counter()
    plain.connect("open", nested)
    plain.connect("notify::value", lambda *_: steps.append("notify"))
    plain.emit("open", 1)
    assert steps == [1, 2, 3, 4, 5, "notify"], steps


SMALL_STACK = """
import os, resource, sys
if resource.getrlimit(resource.RLIMIT_STACK)[0] != 1 << 20:
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY))
    os.execv(sys.executable, sys.orig_argv)
"""


@in_gevent(early=SMALL_STACK, says="paused\n1 gevent is paused...")  # a small stack keeps little for the loop
def test_a_main_greenlet_deeper_than_the_floor_pauses_gevent_and_does_not_crash() -> None:
    ticks: list[int] = []

    def tick() -> None:
        other = Counter()
        other.connect("notify::value", lambda *_: None)
        while True:
            other.value += 1
            ticks.append(1)
            gevent.sleep(0.001)

    def deeper(counter: Counter, levels: int) -> None:  # an emission is some kilobytes of C stack
        if levels:
            counter.emit("open", levels - 1)
            return
        before = len(ticks)
        inner = GLib.MainLoop()
        GLib.timeout_add(60, inner.quit)
        inner.run()
        print("paused" if len(ticks) == before else "ran")

    gevent.spawn(tick)
    until(lambda: len(ticks) > 10)
    counter = Counter()
    counter.connect("open", deeper)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", RuntimeWarning)
        counter.emit("open", 250)
    before = len(ticks)
    until(lambda: len(ticks) > before)
    print(len(caught), caught[0].message if caught else "")


@in_gevent()
def test_a_loop_in_a_handler_of_a_greenlet_pauses_gevent_without_spinning() -> None:
    import warnings

    warnings.simplefilter("ignore", RuntimeWarning)
    near, far = gevent.socket.socketpair()
    received: list[Any] = []

    def reader() -> None:
        while data := near.recv(10):
            received.append(data)

    def handler(*_: Any) -> None:  # as a dialog that runs a loop of its own
        far.send(b"x")
        before = len(received)
        turns = turns_of(lambda context: context.iteration(True))
        paused.append((len(received) - before, turns))

    paused: list[Any] = []
    counter = Counter()
    counter.connect("open", handler)
    gevent.spawn(reader)
    gevent.sleep(0.01)
    gevent.spawn(counter.emit, "open", 1).get()
    bare = turns_of(lambda context: context.iteration(True))
    assert paused[0][0] == 0, paused
    assert paused[0][1] < 3 * bare, (paused, bare)
    gevent.sleep(0.01)
    assert received == [b"x"]


@in_gevent()
def test_a_glib_loop_in_a_greenlet_with_60_descriptors() -> None:
    pipes = [os.pipe() for _ in range(60)]
    seen: list[Any] = []

    def runner() -> Any:
        inner = GLib.MainLoop()
        for reader, _ in pipes:
            GLib.io_add_watch(reader, 0, GLib.IOCondition.IN, lambda fd, _: seen.append(os.read(fd, 1)))

        def feed() -> None:
            for _, writer in pipes:
                os.write(writer, b"x")
                gevent.sleep(0.001)
            inner.quit()

        gevent.spawn(feed)
        inner.run()
        gevent.sleep(0.01)
        return len(seen)

    assert gevent.spawn(runner).get() == 60
    outer = gevent.spawn(runner)
    outer.link(lambda _: loop.quit())
    loop.run()
    assert outer.get() == 120


@in_gevent()
def test_two_glib_loops_in_two_greenlets_end_last_in_first_out() -> None:
    log, loops = [], {}

    def runner(name: Any) -> None:
        inner = loops[name] = GLib.MainLoop()
        inner.run()
        log.append(name)
        gevent.sleep(0.01)
        log.append(name + " went on")

    def quits() -> None:  # the first one first, once both run
        until(lambda: len(loops) == 2 and all(inner.is_running() for inner in loops.values()))
        for name in ("first", "second"):
            loops[name].quit()
            gevent.sleep(0.01)

    greenlets = [gevent.spawn(runner, "first"), gevent.spawn(runner, "second"), gevent.spawn(quits)]
    gevent.joinall(greenlets, raise_error=True)
    assert log.index("second") < log.index("first"), log
    assert len(log) == 4
    gevent.sleep(0.01)


@in_gevent()
def test_a_greenlets_switch_as_a_callback_is_wrapped() -> None:
    """switch() returns () when somebody switches back without arguments; bare it is the first of the hazards."""
    from greenlet import getcurrent, greenlet

    main = getcurrent()
    GLib.idle_add(gleenlet.callback(greenlet(lambda: main.switch()).switch))
    GLib.timeout_add(100, loop.quit)
    gevent.spawn(gevent.sleep, 0.01)
    loop.run()


@in_gevent(early=PLAIN)
def test_a_polled_gevent_burns_a_core() -> None:
    """The opposite of test_an_idle_program_hardly_polls."""
    GLib.idle_add(lambda: gevent.sleep(0) or True)
    turns = turns_of(lambda context: context.iteration(True))
    assert turns > 3 * 10, turns


@in_gevent()
@pytest.mark.parametrize("waits", [False, True], ids=["ends", "waits"])
def test_a_greenlet_that_a_callback_resumes_by_hand_does_not_keep_the_loop(waits: bool) -> None:
    """Its end resumes the hub, its parent, in the middle of GLib's dispatch."""
    log: list[str] = []

    def worker() -> None:
        gevent.getcurrent().parent.switch()
        log.append("resumed")
        try:
            if waits:
                gevent.sleep(0.01)
        except BlockingSwitchOutError:
            log.append("refused")

    resumed = gevent.spawn(worker)
    GLib.timeout_add(30, resumed.switch)
    GLib.timeout_add(60, loop.quit)
    loop.run()
    assert log == ["resumed"] + ["refused"] * waits, log
    gevent.sleep(0.01)
    gevent.spawn(gevent.sleep, 0.01).get()


def use_up_every_slice() -> None:
    def compute() -> None:
        while True:
            end = time.perf_counter() + 0.0005
            while time.perf_counter() < end:
                pass
            gevent.sleep(0)

    for _ in range(5):
        gevent.spawn(compute)
    gevent.sleep(0.01)


@in_gevent()
def test_emissions_and_nested_loops_while_greenlets_use_up_every_slice() -> None:
    """The hub is then left in the middle of a callback, not in its wait: the probe counts one more."""
    refused: list[gleenlet.UnsafeSwitchError] = []
    went_on: list[int] = []

    def on_change(*_: object) -> None:
        try:
            gevent.sleep(0)
        except gleenlet.UnsafeSwitchError as error:
            refused.append(error)

    def worker() -> None:
        for value in range(50):
            counter.value = value + 1
            gevent.sleep(0)

    def runner(name: int) -> None:
        inner = GLib.MainLoop()
        gevent.spawn_later(0.03, inner.quit)
        inner.run()
        for _ in range(5):
            gevent.sleep(0)
        went_on.append(name)

    use_up_every_slice()
    counter = Counter()
    counter.connect("notify::value", on_change)
    workers = [gevent.spawn(worker) for _ in range(3)]
    runners = [gevent.spawn(runner, name) for name in range(3)]
    gevent.spawn(lambda: (gevent.joinall(workers + runners, raise_error=True), loop.quit()))
    loop.run()
    assert len(refused) == 150, len(refused)
    assert sorted(went_on) == [0, 1, 2], went_on
    gevent.joinall([gevent.spawn(runner, name) for name in range(2)], raise_error=True)


@in_gevent()
def test_fork_and_destroy_in_a_callback_while_greenlets_use_up_every_slice() -> None:
    def in_callback() -> None:
        pid = os.fork()
        if not pid:
            gevent.get_hub().destroy()
            os._exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
        gevent.get_hub().destroy()
        gevent.spawn_later(0.02, loop.quit)

    use_up_every_slice()
    GLib.timeout_add(30, in_callback)
    loop.run()
    gevent.sleep(0.01)

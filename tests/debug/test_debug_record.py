"""The flight recorder: what it takes down, how long it keeps that, and that it keeps nothing else alive."""

from __future__ import annotations

import functools
import gc
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from gi.repository import Gio, GLib, GObject

from child import in_child
from gleenlet import (
    Event,
    Lock,
    Task,
    call,
    get_hub,
    run,
    schedule_switch,
    sleep,
    spawn,
    to_thread,
    wait_readable,
    wait_signal,
)
from gleenlet.debug import Recorder, _recording, record, tasks
from gleenlet.debug._recorder import FRAME, STALL


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with record() as recorder:
        yield recorder


def story(recorder: Recorder, *names: str) -> list[tuple[str, str, str]]:
    """What tasks with these names did: kind, name, and text, or whose doing it was."""
    known = {event.task: event.text for event in recorder.events() if event.kind in ("spawn", "end")}
    known |= recorder.names()
    return [
        (event.kind, known[event.task], known.get(event.by, event.text))
        for event in recorder.events()
        if known.get(event.task) in names
    ]


def test_it_tells_a_tasks_life_and_who_woke_it(recorder: Recorder) -> None:
    def main() -> None:
        event = Event()
        waiter = spawn(event.wait, name="waiter")
        sleep(0)
        event.set()
        waiter.join()

    run(main)
    main_name = next(event.text for event in recorder.events() if event.kind == "spawn")
    assert story(recorder, "waiter") == [
        ("spawn", "waiter", main_name),
        ("begin", "waiter", ""),
        ("wait", "waiter", "Event.wait"),
        ("wake", "waiter", main_name),
        ("begin", "waiter", ""),
        ("end", "waiter", "waiter"),
    ]


def test_it_tells_who_cancelled_and_how_it_ended(recorder: Recorder) -> None:
    def main() -> None:
        spawn(int, name="does").join()
        spawn(int, "x", name="fails").exception()
        late = spawn(sleep, 100, name="sleeps")
        spawn(late.cancel, name="kills").join()

    run(main)
    assert {e.text: e.outcome for e in recorder.events() if e.kind == "end" and "#" not in e.text} == {
        "does": "done",
        "fails": "failed",
        "sleeps": "cancelled",
        "kills": "done",
    }
    assert ("cancel", "sleeps", "kills") in story(recorder, "sleeps")


def test_it_says_what_a_wait_is_for(recorder: Recorder) -> None:
    reader, writer = os.pipe()
    store = Gio.ListStore.new(GObject.Object)
    lock = Lock()

    def main() -> None:
        waits: list[Task[Any]] = [
            spawn(wait_readable, reader, name="descriptor"),
            spawn(wait_signal, store, "items-changed", name="signal"),
            spawn(call, Gio.File.new_for_path("/").query_info_async, "standard::*", 0, 0, name="Gio"),
            spawn(lock.acquire, name="lock"),
        ]
        waits.append(spawn(waits[0].join, name="task"))
        with lock:
            sleep(0.001)
            for task in waits:
                task.cancel()
        for task in waits:
            task.join()

    run(main)
    os.close(reader)
    os.close(writer)
    told = {name: text for kind, name, text in reversed(story(recorder, "descriptor", "signal", "Gio", "lock", "task"))
            if kind == "wait"}  # fmt: skip
    assert told == {
        "descriptor": f"descriptor {reader} readable",
        "signal": "signal items-changed of <ListStore>",
        "Gio": "Gio query_info_async",
        "lock": "Lock.acquire",
        "task": "descriptor",
    }


def test_the_loop_gets_the_thread_back_and_what_it_calls_is_named(recorder: Recorder) -> None:
    def called() -> None:
        pass

    hub = get_hub()
    hub.call_soon(called)
    hub.call_soon(functools.partial(called))
    hub.call_soon(int)
    run(sleep, 0)
    own = [(event.kind, event.text) for event in recorder.events() if event.task == 0]
    assert own[:6] == [
        ("begin", "called"),
        ("home", ""),
        ("begin", "partial"),
        ("home", ""),
        ("begin", "int"),
        ("home", ""),
    ]
    assert recorder.loops()[next(recorder.events()).loop] == "MainThread"


def test_what_another_thread_has_done_begins_by_its_name(recorder: Recorder) -> None:
    run(to_thread, int)
    assert ("begin", "to_thread") in [(event.kind, event.text) for event in recorder.events()]


def test_greenlets_that_are_no_tasks_have_a_row_each(recorder: Recorder) -> None:
    from greenlet import greenlet

    hub = get_hub()
    one, other = greenlet(hub.switch), greenlet(hub.switch)
    for _ in range(2):
        schedule_switch(one)
        schedule_switch(other)
        run(sleep, 0)
    strangers = [(event.kind, event.task) for event in recorder.events() if event.task > 2**31]
    assert [kind for kind, _ in strangers] == [*["begin", "wait"] * 2, *["wake"] * 2, *["begin"] * 2]
    assert len({task for _, task in strangers}) == 2


def test_a_task_that_is_switched_to_by_hand_is_still_itself(recorder: Recorder) -> None:
    def main() -> None:
        home = get_hub().home
        assert home is not None
        home.switch()  # which gives way

    task = spawn(main, name="by hand")
    run(task.join)
    assert [kind for kind, *_ in story(recorder, "by hand")] == ["spawn", "begin", "begin", "end"]


def test_tasks_of_before_are_known_by_what_they_do_then(recorder: Recorder) -> None:
    recorder.stop()
    event = Event()
    task = spawn(event.wait, name="old")
    run(sleep, 0)
    with record() as recorder:
        event.set()
        run(task.join)
        assert [kind for kind, *_ in story(recorder, "old")] == ["wake", "begin", "end"]


def test_loops_of_other_threads_and_later_ones_are_recorded(recorder: Recorder) -> None:
    def work() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        run(lambda: sleep(0))
        context.pop_thread_default()

    thread = threading.Thread(target=work, name="other loop")
    thread.start()
    thread.join()
    loops = {event.loop for event in recorder.events()}
    assert "other loop" in {recorder.loops()[loop] for loop in loops}


def test_a_loop_that_runs_already_begins_to_be_recorded_at_its_next_turn() -> None:
    turns, stop = threading.Semaphore(0), threading.Event()

    def work() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()

        def turn() -> None:
            while not stop.is_set():
                sleep(0)
                turns.release()

        run(turn)
        context.pop_thread_default()

    thread = threading.Thread(target=work, name="busy loop")
    thread.start()
    turns.acquire()
    with record() as recorder:
        while not any(recorder.loops().get(event.loop) == "busy loop" for event in recorder.events()):
            turns.acquire()
    count = recorder.tape.count
    for _ in range(100):
        turns.acquire()
    assert recorder.tape.count == count
    stop.set()
    thread.join()


def test_whoever_comes_back_gets_what_is_new(recorder: Recorder) -> None:
    run(sleep, 0)
    seen = list(recorder.events())
    assert [event.number for event in seen] == list(range(len(seen)))
    assert list(recorder.events(len(seen))) == []
    run(sleep, 0)
    new = list(recorder.events(len(seen)))
    assert new
    assert new[0].number == len(seen)
    assert [event.time for event in seen + new] == sorted(event.time for event in seen + new)
    assert seen[0].time <= time.monotonic() <= seen[0].time + 3600


def yields(n: int) -> None:
    for _ in range(n):
        sleep(0)


def test_old_events_make_room_and_the_gap_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_recording, "PART", 1000)
    with record(seconds=1000, megabytes=0.1) as recorder:  # two blocks
        run(yields, 5000)
        numbers = [event.number for event in recorder.events()]
    assert numbers[0] > 0
    assert numbers == list(range(numbers[0], recorder.tape.count))
    assert 2728 < len(numbers) <= 2 * 2728
    assert next(recorder.events(numbers[-1])).number == numbers[-1]


def test_what_is_older_than_the_time_asked_for_makes_room_first() -> None:
    with record(seconds=1e-6) as recorder:
        run(yields, 5000)
        assert next(recorder.events()).number > 0
    with record() as recorder:
        run(yields, 5000)
        assert next(recorder.events()).number == 0


def test_several_record_at_a_time_and_the_last_one_ends_it() -> None:
    with record(seconds=1) as one:
        with record(seconds=2) as other:
            run(sleep, 0)
        assert one.tape is other.tape
        before = one.tape.count
        run(sleep, 0)
        assert one.tape.count > before
    before = one.tape.count
    run(sleep, 0)
    one.stop()  # once more
    assert one.tape.count == before
    assert len(list(other.events())) == before
    with record() as third:
        assert third.tape is not one.tape


def test_records_of_tasks_say_what_was_counted(recorder: Recorder) -> None:
    def main() -> None:
        event = Event()
        task = spawn(event.wait, name="waits")
        sleep(0.002)
        one = next(one for one in tasks() if one.name == "waits")
        assert one.spawned_at is not None
        assert 0 < one.spawned_at <= time.monotonic()
        assert one.number is not None
        assert recorder.names()[one.number] == "waits"
        assert one.switches == 1
        assert one.time_running is not None
        assert one.time_running > 0
        assert one.time_ready is not None
        assert one.time_ready > 0
        assert one.time_waiting is not None
        assert one.time_waiting >= 0.001
        told = one.as_json()
        assert 0.001 <= told["spawned_at"] <= 3600
        assert told["switches"] == 1
        event.set()
        task.join()

    run(main)


def test_records_say_nothing_where_nobody_records() -> None:
    one = run(lambda: next(one for one in tasks() if one.state == "running"))
    assert (one.spawned_at, one.switches, one.time_running, one.number) == (None, None, None, None)
    assert one.as_json()["spawned_at"] is None


def test_it_keeps_nothing_alive(recorder: Recorder) -> None:
    class Thing(GObject.Object):
        pass

    def fails() -> None:
        raise ValueError(Thing())

    def main() -> list[weakref.ref[Any]]:
        thing = Thing()
        task = spawn(wait_signal, thing, "notify", name="waits")
        sleep(0)
        task.cancel()
        task.join()
        failed = spawn(fails)
        error = failed.exception()
        assert error is not None
        return [weakref.ref(one) for one in (thing, task, failed, error.args[0])]

    left = run(main)
    gc.collect()
    assert [one() for one in left] == [None] * 4
    assert any(event.text == "waits" for event in recorder.events())


def test_marks_of_others_are_among_the_events(recorder: Recorder) -> None:
    def main() -> None:
        hub = get_hub()
        _recording.mark(FRAME, hub, 2000)
        _recording.mark(STALL, hub, 2**40, "f (app.py:1)")

    run(main)
    frame, stall = (event for event in recorder.events() if event.kind in ("frame", "stall"))
    assert (frame.task, frame.by) == (0, 2000)
    assert (stall.text, stall.by) == ("f (app.py:1)", 2**32 - 1)
    assert stall.task > 0
    recorder.stop()
    _recording.mark(FRAME, get_hub(), 1)
    assert [event.kind for event in recorder.events()].count("frame") == 1


def test_bad_spans_are_refused() -> None:
    for bad in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="seconds must be above 0"):
            record(seconds=bad)
        with pytest.raises(ValueError, match="megabytes must be above 0"):
            record(megabytes=bad)
    with pytest.raises(TypeError, match="seconds must be a number, not str"):
        record("10")  # type: ignore[arg-type]


@in_child()
def test_readers_in_another_thread_see_whole_events_while_tasks_run() -> None:
    stop = threading.Event()
    failures: list[str] = []

    def reads() -> None:
        last = 0
        while not stop.is_set():
            for event in taken.events(last):
                if event.number < last or event.kind not in (
                    "spawn",
                    "begin",
                    "yield",
                    "wait",
                    "wake",
                    "cancel",
                    "end",
                    "home",
                ):
                    failures.append(repr(event))
                last = event.number
            taken.names()
            tasks()
        stop.set()

    def main() -> None:
        for _ in range(200):
            crowd = [spawn(sleep, 0) for _ in range(50)]
            crowd[0].cancel()
            for task in crowd:
                task.join()

    taken = record(megabytes=0.2)
    with taken:
        thread = threading.Thread(target=reads)
        thread.start()
        run(main)
        stop.set()
        thread.join()
    assert not failures

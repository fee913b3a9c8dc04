"""Traces, each read back by a reader that others wrote."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from pathlib import Path

import pytest
from gi.repository import GLib

from child import in_child
from gleenlet import Event, get_hub, run, sleep, spawn
from gleenlet.debug import Event as Happened
from gleenlet.debug import record, trace, watch
from gleenlet.debug._traces.sysprof import encoded
from gleenlet.debug._traces.timeline import Item, Names, Row, timeline
from readers import firefox_profile, sysprof_marks, trace_processor

ODD = "odd \x00\x1b[31m \U0001f422 " + "é" * 60


def program() -> None:
    """A task that waits, one that wakes it and gives way, one that is cancelled, and two of one name."""
    event = Event()
    waits = spawn(event.wait, name="waits")

    def wakes() -> None:
        sleep(0)
        event.set()
        sleep(0.002)

    waker = spawn(wakes, name="wakes")
    killed = spawn(sleep, 100, name=ODD)
    waits.join()
    waker.join()
    killed.cancel()
    killed.join()
    for task in [spawn(sleep, 0.001, name="twin") for _ in range(2)]:
        task.join()


def elsewhere() -> None:
    context = GLib.MainContext.new()
    context.push_thread_default()
    run(lambda: spawn(sleep, 0, name="away").join())
    context.pop_thread_default()


@pytest.fixture
def traced(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, int, int]:
    """A trace of the program, and when it began and ended."""
    path = tmp_path / f"app.{request.param}"
    begin = time.monotonic_ns()
    with trace(path) as what:
        thread = threading.Thread(target=elsewhere, name="other loop")
        thread.start()
        thread.join()
        run(program)
    assert what.lost == 0
    return path, begin, time.monotonic_ns()


WAITS = ["ready", "running", "waiting for Event.wait", "ready", "running"]


@pytest.mark.parametrize("traced", ["pftrace"], indirect=True)
def test_perfetto_reads_rows_slices_and_arrows(traced: tuple[Path, int, int]) -> None:
    path, begin, end = traced
    with trace_processor(path) as reader:
        waits = reader.query(
            "select slice.name from slice join track t on slice.track_id = t.id"
            " where t.name = 'waits' and dur > 0 order by ts"
        )
        assert [name for (name,) in waits] == WAITS
        rows = reader.query(
            "select t.name as row, thread.name as thread, pid from thread_track t join thread using (utid)"
            " join process using (upid) where t.name is not null"
        )
        names = [name for name, *_ in rows]
        assert names.count("twin") == 2, "tasks of one name have a row each"
        assert any(name.startswith("odd") for name in names)
        assert {(name, thread) for name, thread, _ in rows if name in ("waits", "away")} == {
            ("waits", "MainThread"),
            ("away", "other loop"),
        }
        assert {pid for *_, pid in rows} == {os.getpid()}
        # From the wake-up, in the row of who woke it, to the run in the row of who was woken.
        arrows = reader.query(
            "select o.name as a, leaving.name as b, i.name as c, arriving.name as d from flow"
            " join slice leaving on leaving.id = flow.slice_out join track o on o.id = leaving.track_id"
            " join slice arriving on arriving.id = flow.slice_in join track i on i.id = arriving.track_id"
        )
        assert ("wakes", "wakes 'waits'", "waits", "running") in arrows
        assert {arriving for *_, arriving in arrows} == {"running"}
        # The loop's own row shows who ran.
        ran = reader.query("select slice.name from slice join thread_track t on track_id = t.id where t.name is null")
        assert ("waits",) in ran
        ((first, last),) = reader.query("select min(ts) as first, max(ts) as last from slice")
        assert begin <= first < last <= end, "the clock is the monotonic one"
        assert reader.query("select count(*) as n from slice where dur < 0") == [(0,)]


@pytest.mark.parametrize("traced", ["json"], indirect=True)
def test_chromes_trace_is_read_by_perfetto_with_arrows(traced: tuple[Path, int, int]) -> None:
    path, begin, end = traced
    with trace_processor(path) as reader:
        waits = reader.query(
            "select slice.name from slice join thread_track t on slice.track_id = t.id join thread using (utid)"
            " where thread.name = 'waits' and dur > 1 order by ts"
        )
        assert [name for (name,) in waits] == ["ready", "running", "waiting", "ready", "running"]
        arrows = reader.query(
            "select o.name as a, leaving.name as b, i.name as c, arriving.name as d from flow"
            " join slice leaving on leaving.id = flow.slice_out join thread_track ot on ot.id = leaving.track_id"
            " join thread o on o.utid = ot.utid"
            " join slice arriving on arriving.id = flow.slice_in join thread_track it on it.id = arriving.track_id"
            " join thread i on i.utid = it.utid"
        )
        assert ("wakes", "wakes 'waits'", "waits", "running") in arrows
        threads = {name for (name,) in reader.query("select name from thread")}
        assert {"MainThread", "other loop", "away"} <= threads
    events = json.loads(path.read_bytes())["traceEvents"]
    times = [event["ts"] * 1000 for event in events if "ts" in event]
    assert begin - 1000 <= min(times) < max(times) <= end + 1000
    assert [e["args"]["for"] for e in events if e["name"] == "waiting"].count("Event.wait") == 1


@pytest.mark.parametrize("traced", ["firefox.json"], indirect=True)
def test_the_firefox_profiler_reads_markers_and_samples(traced: tuple[Path, int, int], tmp_path: Path) -> None:
    path, begin, end = traced
    profile = firefox_profile(path, tmp_path / "session")
    assert sorted(profile.threads) == ["MainThread", "other loop"]
    assert [marker.label for marker in profile.markers if marker.name == "waits" and marker.seconds] == WAITS
    woke = next(marker for marker in profile.markers if marker.label == "wakes 'waits'")
    assert (woke.name, woke.seconds) == ("wakes", None)
    assert 0 < profile.samples["waits"] <= (end - begin) / 1e9
    assert sum(profile.samples.values()) <= (end - begin) / 1e9


@pytest.mark.parametrize("traced", ["syscap"], indirect=True)
def test_sysprof_reads_marks_on_the_clock_of_gtks(traced: tuple[Path, int, int]) -> None:
    path, begin, end = traced
    span, marks = sysprof_marks(path)
    assert begin <= span[0] < span[1] <= end
    waits = [mark for mark in marks if mark.name == "waits"]
    waits = [mark for mark in waits if mark.duration]
    assert [mark.message for mark in waits] == WAITS
    assert {mark.group for mark in marks} == {"gleenlet"}
    assert {mark.pid for mark in marks} in ({os.getpid()}, {None})
    for one, after in itertools.pairwise(waits):
        assert one.time + one.duration == after.time, "one state follows the other"
    (odd,) = {mark.name for mark in marks if mark.name.startswith("odd")}
    assert odd.encode() in ODD.replace("\0", " ").encode()
    assert len(odd.encode()) <= 39


def test_text_is_cut_between_characters() -> None:
    assert encoded("é" * 30, 39) == ("é" * 19).encode()
    assert encoded("a\0b\ud800", 39) == rb"a b\ud800"


@pytest.mark.parametrize("end", ["pftrace", "json", "firefox.json", "syscap"])
def test_a_trace_of_nothing_is_one_too(end: str, tmp_path: Path) -> None:
    path = tmp_path / f"empty.{end}"
    with trace(path):
        pass
    assert path.stat().st_size > 0
    if end == "syscap":
        assert sysprof_marks(path)[1] == []
    if end == "json":
        assert [event["ph"] for event in json.loads(path.read_bytes())["traceEvents"]] == ["M"]


def test_a_trace_is_written_though_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    with pytest.raises(ValueError), trace(str(path)):
        run(int, "x")
    assert "running" in path.read_text()


def test_what_did_not_fit_is_counted(tmp_path: Path) -> None:
    def busy() -> None:
        for _ in range(5000):
            sleep(0)

    with trace(tmp_path / "app.syscap", megabytes=0.1) as what:
        run(busy)
        count = what._recorder.tape.count - what._recorder.first
    assert count - 2 * 2728 <= what.lost < count - 2728


def test_a_name_that_says_no_format_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.firefox\.json, \.json, \.pftrace, \.syscap"):
        trace(tmp_path / "app.txt")
    with pytest.raises(FileNotFoundError), trace(tmp_path / "none" / "app.json"):
        pass


def test_a_recorder_dumps_what_it_has_kept_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "crash.json"
    hub = get_hub()
    with record() as recorder:
        before = hub.on_error(lambda task, error: recorder.dump(path))
        try:
            task = spawn(int, "x", name="fails")
            del task
            run(sleep, 0.001)
        finally:
            hub.on_error(before)
        first = path.read_text()
        assert "fails" in first
        run(lambda: spawn(sleep, 0, name="later").join())
        assert "later" not in path.read_text()
        recorder.dump(path)
    assert "later" in path.read_text()


def test_a_watchdog_can_dump_what_led_to_a_stall(tmp_path: Path) -> None:
    path = tmp_path / "stall.syscap"

    def freeze() -> None:
        while not path.exists():
            time.sleep(0.001)

    with record() as recorder, watch(0.05, lambda stall: recorder.dump(path)) as watchdog:
        run(freeze)
    watchdog._thread.join()
    messages = [mark.message for mark in sysprof_marks(path)[1]]
    assert any("(" in message and "test_debug_traces.py" in message for message in messages), messages


@in_child(display=True, says="frames")
def test_frames_and_stalls_are_in_it() -> None:
    import gi

    gi.require_version("Gtk", "4.0")
    from gi.repository import Gtk

    from gleenlet.debug import record

    def main() -> None:
        window = Gtk.Window(child=Gtk.Spinner(spinning=True))
        window.present()
        while not any(event.kind == "frame" for event in recorder.events()):
            sleep(0.01)
        window.destroy()

    with record() as recorder:
        run(main)
    frame = next(event for event in recorder.events() if event.kind == "frame")
    assert frame.by > 0
    assert recorder.loops()[frame.loop] == "MainThread"
    print("frames")


def happened(kind: str, time: float, task: int = 0, by: int = 0, text: str = "") -> Happened:
    return Happened((0, time, kind, 1, task, by, text, ""))  # type: ignore[call-arg,arg-type]


def test_the_timeline_of_calls_frames_and_stalls() -> None:
    loop = Row(1, 0)
    items = list(
        timeline(
            [
                happened("wait", 1.0, 7, text="timer"),  # of before the first event nothing is known
                happened("begin", 2.0, text="called"),
                happened("home", 3.0),
                happened("frame", 4.0, by=500_000),
                happened("wake", 5.0, 7),
                happened("begin", 6.0, 7),
                happened("stall", 7.0, 7, text="f (app.py:1)"),
            ]
        )
    )
    assert items == [
        Item(loop, 2.0, 3.0, "callback", "called", 0, 0),
        Item(Row(1, -1), 3.5, 4.0, "frame", "", 0, 0),
        Item(Row(1, 7), 1.0, 5.0, "waiting", "timer", 0, 0),
        Item(loop, 5.0, None, "wakes", "", 7, 1),
        Item(Row(1, 7), 5.0, 6.0, "ready", "", 0, 1),
        Item(Row(1, 7), 7.0, None, "stalled", "f (app.py:1)", 0, 0),
        Item(loop, 6.0, 7.0, "task", "", 7, 0),
        Item(Row(1, 7), 6.0, 7.0, "running", "", 0, 1),
    ]


def test_a_task_that_switches_to_the_loop_by_hand_is_ready() -> None:
    kinds = ["begin", "home", "begin", "end"]
    items = timeline([happened(kind, time, 0 if kind == "home" else 7) for time, kind in enumerate(kinds)])
    assert [(item.begin, item.kind) for item in items if item.end is not None and item.row.task == 7] == [
        (0, "running"),
        (1, "ready"),
        (2, "running"),
    ]


def test_who_has_no_name_is_described() -> None:
    names = Names("app", 1, {}, {})
    assert [names.task(number) for number in (0, 3, 1 << 31, (1 << 31) + 255)] == [
        "the loop",
        "task #3",
        "top level",
        "greenlet ff",
    ]
    assert [names.of(Row(2, task)) for task in (0, -1)] == ["loop 2", "frames of loop 2"]

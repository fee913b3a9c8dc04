"""A pipeline's block: its states, its end, its errors, and NULL on every way out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gi
import pytest

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

from gleenlet import (
    GleenletError,
    UnsafeSwitchError,
    run,
    sleep,
    spawn,
    to_thread,
)
from gleenlet.gst import Pipeline, PipelineError, _pipeline, pipeline
from inside import me

Gst.init(None)

PICTURES = "videotestsrc ! fakesink name=sink"
TEN_PICTURES = "videotestsrc num-buffers=10 ! fakesink name=sink"
BREAKS = "appsrc name=source ! identity name=breaks error-after=2 ! fakesink"


def break_it(p: Pipeline) -> None:
    for _ in range(2):
        p.get_by_name("source").emit("push-buffer", Gst.Buffer.new_wrapped(b"data"))


class Gate:
    """Where a thread waits until the test opens it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def pass_through(self) -> None:
        self.entered.set()
        self.opened.wait()


class Stubborn(Gst.Element):
    """An element that stands still at a gate in one of its changes of state, or fails in it."""

    def __init__(self, at: Gst.StateChange, gate: Gate | None = None) -> None:
        super().__init__()
        self.at, self.gate = at, gate

    def do_change_state(self, transition: Gst.StateChange) -> Gst.StateChangeReturn:
        if transition == self.at:
            if self.gate is None:
                return Gst.StateChangeReturn.FAILURE
            self.gate.pass_through()
        return Gst.Element.do_change_state(self, transition)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def state_of(p: Pipeline) -> Gst.State:
    return p.pipeline.get_state(0)[1]


def test_a_pipeline_plays_to_its_end_and_is_null_afterwards() -> None:
    with pipeline(TEN_PICTURES) as p:
        p.play()
        assert state_of(p) == Gst.State.PLAYING
        p.wait_eos()
        assert p.get_by_name("sink").get_property("stats").get_value("rendered") == 10
    assert state_of(p) == Gst.State.NULL


def test_a_pipeline_works_in_a_task_as_well_as_at_top_level() -> None:
    run(test_a_pipeline_plays_to_its_end_and_is_null_afterwards)


@pytest.mark.parametrize("way", ["return", "error", "cancel", "exit"])
def test_null_is_reached_on_every_way_out(way: str) -> None:
    pipelines: list[Pipeline] = []

    def leaves() -> None:
        with pipeline(PICTURES) as p:
            pipelines.append(p)
            p.play()
            assert state_of(p) == Gst.State.PLAYING
            if way == "return":
                return
            if way == "error":
                raise ZeroDivisionError
            if way == "exit":
                raise GeneratorExit
            me().cancel()
            sleep(1)

    task = spawn(leaves)
    task.join()
    assert isinstance(task.value, {"error": ZeroDivisionError, "exit": GeneratorExit}.get(way, object))
    assert task.cancelled() == (way == "cancel")
    assert state_of(pipelines[0]) == Gst.State.NULL


def test_an_element_that_stands_still_in_a_change_of_state_does_not_stop_the_loop(gate: Gate) -> None:
    with pipeline(Stubborn(Gst.StateChange.READY_TO_PAUSED, gate)) as p:
        play = spawn(p.play)
        to_thread(gate.entered.wait)  # the loop runs, or this would not come back
        assert not play.done()
        gate.opened.set()
        play.result()


def test_an_element_that_stands_still_on_its_way_to_null_does_not_stop_the_loop(gate: Gate) -> None:
    def plays() -> None:
        with pipeline(Stubborn(Gst.StateChange.READY_TO_NULL, gate)) as p:
            p.play()

    task = spawn(plays)
    to_thread(gate.entered.wait)
    assert not task.done()
    gate.opened.set()
    task.result()


def test_a_task_cancelled_on_the_way_to_null_waits_for_it(gate: Gate) -> None:
    element = Stubborn(Gst.StateChange.READY_TO_NULL, gate)

    def plays() -> None:
        with pipeline(element) as p:
            p.play()

    task = spawn(plays)
    to_thread(gate.entered.wait)
    task.cancel()
    sleep(0)
    assert not task.done()
    gate.opened.set()
    task.join()
    assert task.cancelled()
    assert element.current_state == Gst.State.NULL


def test_a_task_cancelled_on_the_way_to_null_does_not_wait_for_ever(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pipeline, "NULL_GRACE", 0.01)

    def plays() -> None:
        with pipeline(Stubborn(Gst.StateChange.READY_TO_NULL, gate)) as p:
            p.play()

    task = spawn(plays)
    to_thread(gate.entered.wait)
    task.cancel()
    task.join()
    assert task.cancelled()


def test_a_change_of_state_has_a_timeout(gate: Gate) -> None:
    with pipeline(Stubborn(Gst.StateChange.READY_TO_PAUSED, gate)) as p:
        with pytest.raises(TimeoutError, match=r"pipeline\d+ has not reached playing within 0.01 seconds"):
            p.state(Gst.State.PLAYING, timeout=0.01)
        gate.opened.set()


def test_state_waits_for_the_first_data_at_the_sinks() -> None:
    with pipeline("appsrc ! fakesink") as p:
        with pytest.raises(TimeoutError, match=r"has not reached paused within 0.01 seconds"):
            p.state(Gst.State.PAUSED, timeout=0.01)


def test_play_and_pause_return_where_an_appsrc_has_to_be_fed_first() -> None:
    with pipeline("appsrc name=source ! fakesink") as p:
        p.pause()
        p.play()
        p.get_by_name("source").emit("end-of-stream")
        p.wait_eos()


def test_a_live_source_pauses_without_data() -> None:
    with pipeline("videotestsrc is-live=true num-buffers=3 ! fakesink") as p:
        p.state(Gst.State.PAUSED)
        p.play()
        p.wait_eos()


def test_a_timeout_is_checked_before_anything_happens() -> None:
    with pipeline(PICTURES) as p:
        with pytest.raises(ValueError, match="timeout must be 0 or more seconds, not -1"):
            p.play(timeout=-1)
        assert state_of(p) == Gst.State.NULL


@pytest.mark.parametrize("state", [Gst.State.READY, Gst.State.NULL])  # the second silences the bus
def test_who_waits_for_a_state_is_told_that_another_was_given(state: Gst.State) -> None:
    with pipeline("appsrc ! fakesink") as p:
        paused = spawn(p.state, Gst.State.PAUSED)
        wait_until(lambda: p.pipeline.get_state(0)[0] == Gst.StateChangeReturn.ASYNC)
        p.state(state)
        with pytest.raises(GleenletError, match=rf"another task gave pipeline\d+ the state {state.value_nick} before"):
            paused.result()


def wait_until(condition: Any) -> None:
    while not condition():
        sleep(0)


# ---- errors ----


def test_an_error_at_once_is_raised_with_its_element_and_details() -> None:
    with pipeline("filesrc name=reads location=/nowhere ! fakesink") as p:
        with pytest.raises(PipelineError) as caught:
            p.play()
    error = caught.value
    assert isinstance(error, GLib.Error)
    assert isinstance(error, GleenletError)
    assert error.matches(Gst.resource_error_quark(), Gst.ResourceError.NOT_FOUND)
    assert error.element is p.get_by_name("reads")
    assert "gstfilesrc.c" in (error.debug or "")
    assert str(error).startswith("reads: ")
    assert error.debug in error.__notes__


def test_a_failure_of_which_no_element_tells_is_an_error_all_the_same() -> None:
    with pipeline(Stubborn(Gst.StateChange.READY_TO_PAUSED)) as p:
        with pytest.raises(PipelineError, match=r"pipeline\d+: cannot reach playing") as caught:
            p.play()
    assert caught.value.matches(Gst.core_error_quark(), Gst.CoreError.STATE_CHANGE)
    assert caught.value.debug is None


def test_a_later_error_is_raised_by_whoever_waits() -> None:
    with pipeline(BREAKS) as p:
        p.play()
        break_it(p)
        with pytest.raises(PipelineError, match="breaks: "):
            p.wait_eos()
        with pytest.raises(PipelineError, match="breaks"):
            p.play()


def test_an_error_that_nobody_waited_for_is_raised_by_the_blocks_end() -> None:
    with pytest.raises(PipelineError, match="breaks"):
        with pipeline(BREAKS) as p:
            p.play()
            break_it(p)
            wait_until(lambda: p._bus.failure)


def test_an_error_that_nobody_waited_for_is_not_raised_in_place_of_another() -> None:
    with pytest.raises(ZeroDivisionError):
        with pipeline(BREAKS) as p:
            p.play()
            break_it(p)
            wait_until(lambda: p._bus.failure)
            raise ZeroDivisionError


def test_ready_forgets_errors(tmp_path: Path) -> None:
    with pipeline(f"filesrc name=reads location={tmp_path}/file ! fakesink") as p:
        for _ in range(2):
            with pytest.raises(PipelineError):
                p.play()
        (tmp_path / "file").write_bytes(b"data")
        p.state(Gst.State.READY)
        p.play()
        p.wait_eos()


def test_a_wrong_description_is_a_pipeline_error() -> None:
    with pytest.raises(PipelineError, match='no element "fekesink"') as caught:
        pipeline("videotestsrc ! fekesink")
    assert caught.value.element is None
    assert caught.value.matches(GLib.quark_from_string("gst_parse_error"), Gst.ParseError.NO_SUCH_ELEMENT)


# ---- positions ----


def test_seek_waits_until_the_data_is_there() -> None:
    with pipeline("videotestsrc num-buffers=300 ! video/x-raw,framerate=30/1 ! fakesink") as p:
        assert p.position() is None
        assert p.duration() is None
        p.pause()
        assert p.position() == 0.0
        assert p.duration() == 10.0
        p.seek(2.5)
        assert p.position() == 2.5


def test_after_a_seek_the_end_comes_again() -> None:
    with pipeline("videotestsrc num-buffers=10 ! video/x-raw,framerate=30/1 ! fakesink") as p:
        p.play()
        p.wait_eos()
        p.wait_eos()  # no time: it has come
        p.seek(0)
        p.wait_eos()


def test_backwards_it_plays_from_there_to_the_beginning() -> None:
    description = "videotestsrc num-buffers=300 ! video/x-raw,framerate=30/1 ! fakesink signal-handoffs=true name=sink"
    with pipeline(description) as p:
        p.pause()
        times: list[int] = []
        p.get_by_name("sink").connect("handoff", lambda _sink, data, _pad: times.append(data.pts))
        p.seek(0.5, rate=-1.0)
        p.play()
        p.wait_eos()
    assert len(times) > 10
    assert times == sorted(times, reverse=True)


def test_what_cannot_be_sought_is_an_error_and_its_end_still_known() -> None:
    with pipeline("fakesrc num-buffers=3 ! fakesink") as p:
        p.play()
        p.wait_eos()
        with pytest.raises(PipelineError, match=r"cannot go to 1 s") as caught:
            p.seek(1)
        assert caught.value.matches(Gst.core_error_quark(), Gst.CoreError.SEEK)
        p.wait_eos()
        with pytest.raises(ValueError, match="position must be 0 or more seconds, not -1"):
            p.seek(-1)


# ---- what it is made of ----


def test_an_element_is_put_into_a_pipeline() -> None:
    source = Gst.ElementFactory.make("fakesrc")
    assert source is not None
    with pipeline(source) as p:
        assert p.element is source
        assert source.get_parent() is p.pipeline
    with pipeline("fakesrc") as p:  # the parser makes no pipeline of it
        assert p.pipeline is not p.element


def test_a_pipeline_is_taken_as_it_is() -> None:
    made = Gst.parse_launch(PICTURES)
    with pipeline(made) as p:
        assert p.pipeline is p.element is made
        with pytest.raises(GleenletError, match=r"sink is inside pipeline\d+: give the outermost one"):
            pipeline(p.get_by_name("sink"))
        with pytest.raises(GleenletError, match=r"pipeline\d+ is in the block of another pipeline"):
            with pipeline(made):
                pass
        with pytest.raises(GleenletError, match=r"pipeline\d+ has no element 'sunk': write name=sunk in it"):
            p.get_by_name("sunk")


def test_a_pipeline_is_used_in_its_block_and_once() -> None:
    p = pipeline(PICTURES)
    with pytest.raises(GleenletError, match=r"play\(\) was called outside the block. Write: with pipeline"):
        p.play()
    with p:
        p.pause()
        assert "paused" in repr(p)
    with pytest.raises(GleenletError, match=r"messages\(\) was called outside the block"):
        p.messages()
    with pytest.raises(GleenletError, match="make one for each `with`"):
        with p:
            pass


def test_who_still_waits_when_the_block_is_left_is_told() -> None:
    with pipeline(PICTURES) as p:
        p.play()
        waits = spawn(p.wait_eos)
        sleep(0)
    with pytest.raises(GleenletError, match=r"the block of pipeline\d+ was left meanwhile"):
        waits.result()


def test_in_a_callback_of_the_loop_waiting_is_refused_and_null_reached() -> None:
    pipelines: list[Pipeline] = []
    errors: list[BaseException] = []

    def callback() -> bool:
        try:
            with pipeline(PICTURES) as p:
                pipelines.append(p)
                p.pipeline.set_state(Gst.State.PLAYING)
        except UnsafeSwitchError as error:
            errors.append(error)
        return False

    GLib.idle_add(callback)
    wait_until(lambda: errors)
    wait_until(lambda: state_of(pipelines[0]) == Gst.State.NULL)


# ---- the end of the stream on the way out ----

OGG = "audiotestsrc ! vorbisenc ! oggmux ! filesink location={}"
LAST_PAGE = 4  # the flag in an Ogg page's header


def flags_of_last_page(file: Path) -> int:
    data = file.read_bytes()
    return data[data.rindex(b"OggS") + 5]


@pytest.mark.parametrize("eos_on_exit", [None, 100])
def test_files_are_finished_with_eos_on_exit(tmp_path: Path, eos_on_exit: float | None) -> None:
    file = tmp_path / "tone.ogg"
    with pipeline(OGG.format(file), eos_on_exit=eos_on_exit) as p:
        p.play()
        wait_until(lambda: (p.position() or 0) > 1)
    assert (flags_of_last_page(file) & LAST_PAGE == LAST_PAGE) == (eos_on_exit is not None)


def test_the_end_is_awaited_for_a_limited_time_only() -> None:
    never_ends = "videotestsrc ! appsink wait-on-eos=true max-buffers=1"
    with pytest.raises(TimeoutError, match=r"pipeline\d+ has not come to its end within 0.01 seconds \(eos_on_exit\)"):
        with pipeline(never_ends, eos_on_exit=0.01) as p:
            p.play()
    assert state_of(p) == Gst.State.NULL
    with pytest.raises(ZeroDivisionError):
        with pipeline(never_ends, eos_on_exit=0.01) as p:
            p.play()
            raise ZeroDivisionError


def test_no_end_is_sent_where_it_does_not_play_or_has_failed() -> None:
    with pipeline("videotestsrc ! appsink wait-on-eos=true", eos_on_exit=100) as p:
        p.pause()
    with pytest.raises(PipelineError):
        with pipeline(BREAKS, eos_on_exit=100) as p:
            p.play()
            break_it(p)
            p.wait_eos()
    with pytest.raises(ValueError, match="eos_on_exit must be 0 or more seconds or None, not -1"):
        pipeline(PICTURES, eos_on_exit=-1)

"""In a streaming thread nothing waits: an error names the thread and says what to write, and that works."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gi
import pytest

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

from child import in_child
from gleenlet import GleenletError, from_thread, run, sleep, spawn, to_thread
from gleenlet.gst import Pipeline, _threads, pipeline, samples

Gst.init(None)

HANDS_OFF = "videotestsrc ! queue name=cut ! appsink name=sink emit-signals=true"


def in_streaming_thread(p: Pipeline, func: Callable[[], Any]) -> Any:
    """Call `func` where the first picture comes by; return what it returns or raises."""
    came = threading.Event()
    outcome: list[Any] = []

    def first_picture(_: Gst.Element) -> Gst.FlowReturn:
        try:
            outcome.append(func())
        except Exception as error:
            outcome.append(error)
        came.set()
        return Gst.FlowReturn.OK

    p.get_by_name("sink").connect("new-preroll", first_picture)
    to_thread(p.pipeline.set_state, Gst.State.PLAYING)
    to_thread(came.wait)
    return outcome[0]


CALLS: dict[str, Callable[[Pipeline], Any]] = {
    "play()": lambda p: p.play(),
    "pause()": lambda p: p.pause(),
    "state()": lambda p: p.state(Gst.State.NULL),
    "seek()": lambda p: p.seek(0),
    "position()": lambda p: p.position(),
    "duration()": lambda p: p.duration(),
    "messages()": lambda p: p.messages(),
    "wait_eos()": lambda p: p.wait_eos(),
    "samples()": lambda p: samples(p.get_by_name("sink")),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_wait_in_a_streaming_thread_is_an_error_that_names_it(what: str) -> None:
    with pipeline(HANDS_OFF) as p:
        error = in_streaming_thread(p, lambda: CALLS[what](p))
    assert isinstance(error, GleenletError)
    assert str(error).startswith(f"{what} was called in GStreamer's streaming thread 'cut:src'")
    assert "p.hub.call_soon_threadsafe(spawn, " in str(error)


def test_what_the_error_says_to_write_works() -> None:
    stopped: list[str] = []

    def stop() -> None:
        p.state(Gst.State.READY)
        stopped.append("in a task")

    with pipeline(HANDS_OFF) as p:
        in_streaming_thread(p, lambda: p.hub.call_soon_threadsafe(spawn, stop))
        while not stopped:
            sleep(0)
        assert p.pipeline.current_state == Gst.State.READY


def test_another_thread_is_told_to_enter_the_loops() -> None:
    def use(p: Pipeline) -> None:
        with pytest.raises(GleenletError, match=r"play\(\) was called in the thread '.*', .* with from_thread\(\)"):
            p.play()
        from_thread(p.play)

    def main() -> None:
        with pipeline("videotestsrc ! fakesink") as p:
            to_thread(use, p)
            assert p.pipeline.current_state == Gst.State.PLAYING

    run(main)


def test_what_a_thread_brings_when_its_loop_has_ended_is_dropped() -> None:
    gate = threading.Event()

    def loops_thread() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        spawn(_threads.in_thread, gate.wait)
        run(sleep, 0)
        context.pop_thread_default()

    thread = threading.Thread(target=loops_thread)
    thread.start()
    thread.join()
    (caller,) = (each for each in threading.enumerate() if each.name == "gleenlet.gst")
    gate.set()
    caller.join()  # an exception there would fail this test


def test_an_exception_in_the_thread_comes_out_here() -> None:
    with pytest.raises(ZeroDivisionError):
        _threads.in_thread(lambda: 1 / 0)


@in_child(warns="")
@pytest.mark.parametrize("with_context", [False, True])
def test_the_pipeline_of_a_task_that_is_abandoned_with_its_thread_comes_to_null(with_context: bool) -> None:
    pipelines: list[Gst.Pipeline] = []

    def plays() -> None:
        with pipeline("videotestsrc ! fakesink", eos_on_exit=1) as p:
            pipelines.append(p.pipeline)
            p.play()
            sleep(1000)

    def ends() -> None:
        context = GLib.MainContext.new()
        if with_context:
            context.push_thread_default()
        spawn(plays)
        while not pipelines or pipelines[0].current_state != Gst.State.PLAYING:
            sleep(0.001)
        if with_context:
            context.pop_thread_default()  # and with it ends the watch of the pipeline's bus

    thread = threading.Thread(target=ends)
    thread.start()
    thread.join()
    while pipelines[0].current_state != Gst.State.NULL:
        sleep(0.001)

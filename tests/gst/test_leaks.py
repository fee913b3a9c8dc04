"""GStreamer's own leak tracer finds nothing of ours when it is deinitialised, and finds what a test plants."""

from __future__ import annotations

import pytest

from child import run_script

PROGRAM = """
import gc, os, sys
import gi
gi.require_version("Gst", "1.0")
if "app" in sys.argv:
    gi.require_version("GstApp", "1.0")
    from gi.repository import GstApp
from gi.repository import Gst

from gleenlet import run, sleep, spawn
from gleenlet.gst import PipelineError, pipeline, promise, push, samples

kept = []


def play_and_seek():
    with pipeline("videotestsrc num-buffers=50 ! fakesink") as p:
        p.pause()
        p.seek(1)
        p.play()
        p.position(), p.duration()
        for message in p.messages():
            pass


def pass_on():
    source = "audiotestsrc num-buffers=20 ! appsink name=sink sync=false"
    with pipeline(source) as first, pipeline("appsrc name=source max-buffers=2 ! fakesink") as second:
        first.play()
        second.play()
        assert hasattr(first.get_by_name("sink"), "pull_sample") == ("app" in sys.argv)
        for sample in samples(first.get_by_name("sink"), limit=2):
            push(second.get_by_name("source"), sample)
            if "planted" in sys.argv and not kept:
                kept.append(sample)
        push(second.get_by_name("source"), None)
        second.wait_eos()


def fail():
    for description in ("filesrc location=/nowhere ! fakesink", "videotestsrc ! nothing"):
        try:
            with pipeline(description) as p:
                p.play()
        except PipelineError:
            pass


def cancelled():
    def endless():
        with pipeline("videotestsrc ! appsink name=sink") as p:
            p.play()
            for sample in samples(p.get_by_name("sink"), when_full="drop_oldest"):
                pass

    task = spawn(endless)
    sleep(0.05)
    task.cancel()
    task.join()


def ask():
    promise(lambda made: made.reply(Gst.Structure.new_empty("answer")))


run(ask)  # before anything has initialised GStreamer
for each in (play_and_seek, pass_on, fail, cancelled):
    run(each)
gc.collect()
Gst.deinit()
print("ended")
"""

TRACED = {"GST_TRACERS": "leaks", "GST_DEBUG": "GST_TRACER:7", "GST_DEBUG_NO_COLOR": "1"}


def leaks(*args: str) -> list[str]:
    outcome = run_script(PROGRAM, *args, env=TRACED)
    assert (outcome.stdout, outcome.status) == ("ended\n", 0), outcome.stderr
    assert "CRITICAL" not in outcome.stderr
    alive = [line for line in outcome.stderr.splitlines() if "object-alive, type-name=(string)Gst" in line]
    assert ("WARNING" in outcome.stderr) == bool(alive)  # it warns of what it has found, and nobody else does
    return alive


@pytest.mark.parametrize("typelib", ["app", "no-app"])
def test_nothing_is_left_alive_with_and_without_the_typelib_of_gst_app(typelib: str) -> None:
    assert leaks(typelib) == []


def test_the_tracer_finds_a_planted_leak() -> None:
    assert any("GstSample" in line for line in leaks("no-app", "planted"))

"""Plays, fails and is cancelled, then deinitialises GStreamer, whose tracer reports as the process ends: `ended`.

The arguments: `app` has the typelib of GstApp loaded, before GStreamer is initialised; `planted` keeps a sample.
"""

import gc
import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
if "app" in sys.argv:
    gi.require_version("GstApp", "1.0")
    from gi.repository import GstApp  # noqa: F401
from gi.repository import Gst

from gleenlet import run, sleep, spawn
from gleenlet.gst import PipelineError, pipeline, promise, push, samples

kept: list[Gst.Sample] = []


def play_and_seek() -> None:
    with pipeline("videotestsrc num-buffers=50 ! fakesink") as p:
        p.pause()
        p.seek(1)
        p.play()
        p.position(), p.duration()
        for _ in p.messages():
            pass


def pass_on() -> None:
    source = "audiotestsrc num-buffers=20 ! appsink name=sink sync=false"
    with pipeline(source) as first, pipeline("appsrc name=source max-buffers=2 ! fakesink") as second:
        first.play()
        second.play()
        sink: Any = first.get_by_name("sink")
        assert hasattr(sink, "pull_sample") == ("app" in sys.argv)
        for sample in samples(sink, limit=2):
            push(second.get_by_name("source"), sample)
            if "planted" in sys.argv and not kept:
                kept.append(sample)
        push(second.get_by_name("source"), None)
        second.wait_eos()


def fail() -> None:
    for description in ("filesrc location=/nowhere ! fakesink", "videotestsrc ! nothing"):
        try:
            with pipeline(description) as p:
                p.play()
        except PipelineError:
            pass


def cancelled() -> None:
    def endless() -> None:
        with pipeline("videotestsrc ! appsink name=sink") as p:
            p.play()
            for _ in samples(p.get_by_name("sink"), when_full="drop_oldest"):
                pass

    task = spawn(endless)
    sleep(0.05)
    task.cancel()
    task.join()


def ask() -> None:
    promise(lambda made: made.reply(Gst.Structure.new_empty("answer")))


run(ask)  # before anything has initialised GStreamer
for each in (play_and_seek, pass_on, fail, cancelled):
    run(each)
gc.collect()
Gst.deinit()
print("ended")

"""What cannot be meant is refused, before GStreamer warns of it or crashes."""

from __future__ import annotations

import os
from typing import Any

import gi
import pytest

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst

from child import in_child
from descriptors import take_all_descriptors
from gleenlet import GleenletError, run, to_thread
from gleenlet.gst import pipeline, push, samples

Gst.init(None)

PICTURES = "videotestsrc num-buffers=60 ! video/x-raw,framerate=30/1 ! fakesink"


@in_child()
def test_nothing_is_data_too() -> None:
    with pipeline("appsrc name=source ! appsink name=sink") as p:
        p.play()
        for data in (b"", bytearray(), memoryview(b""), b"abc", bytearray(b"ab"), memoryview(b"a"), None):
            push(p.get_by_name("source"), data)  # type: ignore[arg-type]
        buffers = [sample.get_buffer() for sample in samples(p.get_by_name("sink"), 7)]
        assert [buffer and buffer.get_size() for buffer in buffers] == [0, 0, 0, 3, 2, 1]


@pytest.mark.parametrize("data", ["text", 5, [1], Gst.Caps.new_empty_simple("a/b")])
def test_what_is_no_data_is_refused(data: Any) -> None:
    with pipeline("appsrc name=source ! fakesink") as p:
        p.play()
        with pytest.raises(TypeError, match=r"push\(\) needs a Gst.Buffer"):
            push(p.get_by_name("source"), data)


@pytest.mark.parametrize("given", [None, 3, b"fakesrc ! fakesink", GObject.Object()])
def test_what_is_no_element_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"a description or a Gst\.Element"):
        pipeline(given)
    with pytest.raises(TypeError, match="needs an appsink"):
        samples(given)
    with pytest.raises(TypeError, match="needs an appsrc"):
        push(given, b"data")


def test_places_and_rates_that_are_none_are_refused() -> None:
    with pipeline(PICTURES) as p:
        p.pause()
        for position in (-1.0, float("nan"), float("inf"), 1e30, 2.0**34):
            with pytest.raises(ValueError, match="position must be"):
                p.seek(position)
        for rate in (0.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="rate must be"):
                p.seek(1.0, rate=rate)
        p.seek(1.0, rate=-1.0)


def test_states_that_are_none_are_refused() -> None:
    with pipeline(PICTURES) as p:
        wrong: Any
        for wrong in ("playing", 4, None):
            with pytest.raises(TypeError, match=r"needs a Gst\.State"):
                p.state(wrong)
        with pytest.raises(ValueError, match="VOID_PENDING is no state"):
            p.state(Gst.State.VOID_PENDING)


def test_a_block_is_left_once() -> None:
    p = pipeline(PICTURES)
    with pytest.raises(GleenletError, match="no open block"):
        p.__exit__(None, None, None)
    with p:
        pass
    with pytest.raises(GleenletError, match="no open block"):
        p.__exit__(None, None, None)


def test_a_step_in_another_thread_is_refused_and_disturbs_no_other() -> None:
    def main() -> list[int]:
        with pipeline("appsrc name=source ! appsink name=sink") as p:
            p.play()
            taken = samples(p.get_by_name("sink"))
            for steps in (taken, p.messages()):
                with pytest.raises(GleenletError, match="was called in the thread"):
                    to_thread(list, steps)
            push(p.get_by_name("source"), b"abc")
            push(p.get_by_name("source"), None)
            return [sample.get_buffer().get_size() for sample in samples(p.get_by_name("sink"))]  # type: ignore[union-attr]

    assert run(main) == [3]


@in_child(warns="")
def test_where_no_descriptor_is_free_there_is_an_error_and_gstreamer_says_nothing() -> None:
    taken = take_all_descriptors()
    for fd in [*taken[:2], None]:
        with pytest.raises(OSError, match="Too many open files"):
            pipeline("fakesrc num-buffers=1 ! fakesink")
        if fd is not None:
            os.close(fd)
    for fd in taken[2:]:
        os.close(fd)
    with pipeline("fakesrc num-buffers=1 ! fakesink") as p:
        p.play()
        p.wait_eos()

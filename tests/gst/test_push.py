"""What goes into an appsrc: no more than it has room for; and when it takes nothing."""

from __future__ import annotations

import gi
import pytest

gi.require_version("Gst", "1.0")
from gi.repository import Gst

from gleenlet import GleenletError, run, sleep, spawn
from gleenlet.gst import PipelineError, pipeline, push, samples
from media import content
from watching import has_handler

Gst.init(None)

SMALL = "appsrc name=source max-bytes=10 ! appsink name=sink"


def test_push_waits_while_the_source_is_full() -> None:
    log: list[str] = []

    def main() -> None:
        with pipeline(SMALL) as p:
            source, sink = p.get_by_name("source"), p.get_by_name("sink")

            def feed() -> None:
                for i in range(10):
                    push(source, b"four")
                    log.append(f"pushed {i}")
                push(source, None)

            steps = samples(sink, limit=1)
            p.play()
            feeds = spawn(feed)
            while not has_handler(source, "need-data"):  # it waits for room
                sleep(0)
            assert "pushed 2" in log
            assert "pushed 9" not in log
            assert len(list(steps)) == 10
            feeds.result()
            assert not has_handler(source, "need-data")

    run(main)


def test_a_cancelled_push_has_pushed_nothing() -> None:
    with pipeline("appsrc name=source max-bytes=10 ! appsink name=sink max-buffers=1") as p:
        source = p.get_by_name("source")
        p.pause()  # nothing is taken from the sink
        pushed = 0

        def feed() -> None:
            nonlocal pushed
            while True:
                push(source, b"12345")
                pushed += 1

        feeds = spawn(feed)
        while not has_handler(source, "need-data"):
            sleep(0)
        feeds.cancel()
        feeds.join()
        assert feeds.cancelled()
        assert not has_handler(source, "need-data")
        p.play()
        push_end(source)
        assert len(list(samples(p.get_by_name("sink")))) == pushed


def push_end(source: Gst.Element) -> None:
    source.emit("end-of-stream")


def test_buffers_bytes_and_samples_are_taken() -> None:
    with pipeline("appsrc name=source ! appsink name=sink") as p:
        source, sink = p.get_by_name("source"), p.get_by_name("sink")
        p.play()
        push(source, b"bytes")
        push(source, Gst.Buffer.new_wrapped(b"buffer"))
        caps = Gst.Caps.from_string("text/x-raw")
        push(source, Gst.Sample.new(Gst.Buffer.new_wrapped(b"sample"), caps, None, None))
        push(source, None)
        got = list(samples(sink))
        assert [content(sample) for sample in got] == [b"bytes", b"buffer", b"sample"]
        last = got[-1].get_caps()
        assert last is not None
        assert last.to_string() == "text/x-raw"


def test_data_can_be_handed_from_one_pipeline_to_another() -> None:
    with (
        pipeline("audiotestsrc num-buffers=20 ! appsink name=sink sync=false") as first,
        pipeline("appsrc name=source format=time max-buffers=2 ! fakesink name=sink") as second,
    ):
        first.play()
        second.play()
        source = second.get_by_name("source")
        for sample in samples(first.get_by_name("sink")):
            push(source, sample)
        push(source, None)
        second.wait_eos()
        assert second.get_by_name("sink").get_property("stats").get_value("rendered") == 20


def test_a_source_that_does_not_run_takes_nothing() -> None:
    with pipeline(SMALL) as p:
        p.play()
        p.state(Gst.State.READY)
        with pytest.raises(GleenletError, match="source takes no data: it does not run"):
            push(p.get_by_name("source"), b"data")


def test_nor_does_one_whose_stream_has_ended() -> None:
    with pipeline(SMALL) as p:
        p.play()
        push(p.get_by_name("source"), None)
        with pytest.raises(GleenletError, match="source takes no data: its stream has ended"):
            push(p.get_by_name("source"), b"data")


def test_an_error_of_the_pipeline_is_raised_where_data_is_pushed() -> None:
    with pipeline("appsrc name=source max-buffers=1 ! identity name=breaks error-after=2 ! fakesink") as p:
        p.play()
        with pytest.raises(PipelineError, match="breaks"):
            while True:
                push(p.get_by_name("source"), b"data")


def test_a_push_that_waits_ends_with_the_block() -> None:
    with pipeline("appsrc name=source max-bytes=4 ! appsink name=sink max-buffers=1") as p:
        source = p.get_by_name("source")
        p.pause()
        feeds = spawn(lambda: [push(source, b"data") for _ in range(100)])
        while not has_handler(source, "need-data"):
            sleep(0)
    with pytest.raises(GleenletError, match=r"was left meanwhile|takes no data"):
        feeds.result()

"""What comes out of an appsink: all of it, in order, no faster than it is taken; and how that ends."""

from __future__ import annotations

import gi
import pytest

gi.require_version("Gst", "1.0")
from gi.repository import Gst

from gleenlet import FIRST_COMPLETED, Cancelled, GleenletError, run, sleep, spawn, wait
from gleenlet.gst import Pipeline, PipelineError, pipeline, push, samples
from media import buffer_of, content
from watching import has_handler

Gst.init(None)

SOURCE_TO_SINK = "appsrc name=source ! appsink name=sink"


def push_all(p: Pipeline, *words: bytes | None) -> None:
    for word in words:
        push(p.get_by_name("source"), word)


@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_all_samples_come_in_order_up_to_the_end(count: int) -> None:
    words = [str(i).encode() for i in range(count)]

    def main() -> None:
        with pipeline(SOURCE_TO_SINK) as p:
            p.play()
            feeds = spawn(push_all, p, *words, None)
            assert [content(sample) for sample in samples(p.get_by_name("sink"))] == words
            feeds.result()

    run(main)


def test_samples_may_begin_before_the_pipeline_plays() -> None:
    with pipeline(SOURCE_TO_SINK) as p:
        takes = spawn(lambda: [content(sample) for sample in samples(p.get_by_name("sink"))])
        sleep(0)
        p.play()
        push_all(p, b"one", None)
        assert takes.result() == [b"one"]


def test_the_stream_waits_for_who_takes_too_slowly() -> None:
    with pipeline("videotestsrc num-buffers=100 ! video/x-raw,width=16,height=16 ! appsink name=sink sync=false") as p:
        steps = samples(p.get_by_name("sink"), limit=2)
        p.play()
        assert buffer_of(next(steps)).pts == 0
        # Two wait in the sink, one in the streaming thread's hands; the others are not made yet.
        assert p.position() < 10 / 30  # type: ignore[operator]
        assert 1 + len(list(steps)) == 100


def test_the_oldest_samples_are_dropped_where_that_is_asked_for() -> None:
    small = "videotestsrc num-buffers=100 ! video/x-raw,width=16,height=16"
    with pipeline(f"{small} ! appsink name=sink sync=false wait-on-eos=false") as p:
        steps = samples(p.get_by_name("sink"), limit=2, when_full="drop_oldest")
        p.play()
        p.wait_eos()
        assert [buffer_of(sample).offset for sample in steps] == [98, 99]


def test_leaving_the_iteration_takes_the_handlers_back() -> None:
    with pipeline(SOURCE_TO_SINK) as p:
        sink = p.get_by_name("sink")
        p.play()
        push_all(p, b"one", b"two")
        for sample in samples(sink):
            assert content(sample) == b"one"
            assert has_handler(sink, "new-sample")
            assert sink.get_property("emit-signals")
            break
        del sample
        assert not has_handler(sink, "new-sample")
        assert not has_handler(sink, "eos")
        assert not sink.get_property("emit-signals")
        assert content(next(samples(sink))) == b"two"  # none was lost


def test_several_tasks_take_from_one_sink_and_may_leave_at_any_time() -> None:
    def takes(count: int) -> list[bytes]:
        return [content(sample) for _, sample in zip(range(count), samples(p.get_by_name("sink")), strict=False)]

    with pipeline(SOURCE_TO_SINK) as p:
        p.play()
        first, second = spawn(takes, 1), spawn(takes, 2)
        sleep(0)
        push_all(p, b"one")
        wait([first, second], return_when=FIRST_COMPLETED, timeout=0)
        push_all(p, b"two", b"three", None)
        assert sorted([*first.result(), *second.result()]) == [b"one", b"three", b"two"]
        assert not p.get_by_name("sink").get_property("emit-signals")


def test_signals_that_the_program_wants_go_on() -> None:
    with pipeline(SOURCE_TO_SINK) as p:
        sink = p.get_by_name("sink")
        sink.set_property("emit-signals", True)
        p.play()
        push_all(p, b"one", None)
        assert len(list(samples(sink))) == 1
        assert sink.get_property("emit-signals")


def test_a_cancelled_step_takes_no_sample() -> None:
    with pipeline(SOURCE_TO_SINK) as p:
        sink = p.get_by_name("sink")
        p.play()
        step = spawn(next, samples(sink))
        sleep(0)
        step.cancel()
        with pytest.raises(Cancelled):
            step.result()
        push_all(p, b"one")
        assert content(next(samples(sink))) == b"one"


def test_an_error_is_raised_and_no_end_pretended() -> None:
    with pipeline("appsrc name=source ! identity name=breaks error-after=2 ! appsink name=sink") as p:
        p.play()
        push_all(p, b"one", b"two")
        with pytest.raises(PipelineError, match="breaks"):
            list(samples(p.get_by_name("sink")))


def test_the_state_ready_ends_the_samples() -> None:
    got: list[bytes] = []
    with pipeline(SOURCE_TO_SINK) as p:
        p.play()
        takes = spawn(lambda: got.extend(content(sample) for sample in samples(p.get_by_name("sink"))))
        push_all(p, b"one")
        p.state(Gst.State.PLAYING)
        while not got:
            sleep(0)
        p.state(Gst.State.READY)
        takes.result()
    assert got == [b"one"]


def test_the_end_of_the_pipelines_block_ends_the_samples() -> None:
    with pipeline("videotestsrc ! appsink name=sink") as p:
        takes = spawn(lambda: len(list(samples(p.get_by_name("sink")))))
        sleep(0)
    assert takes.result() == 0


def test_a_sink_inside_a_bin_will_do() -> None:
    with pipeline("videotestsrc num-buffers=3 ! bin.( queue ! appsink name=sink )") as p:
        p.play()
        assert len(list(samples(p.get_by_name("sink")))) == 3


def test_wrong_arguments_of_samples_are_refused() -> None:
    with pipeline(SOURCE_TO_SINK) as p:
        sink, source = p.get_by_name("sink"), p.get_by_name("source")
        with pytest.raises(ValueError, match="limit must be 1 or more, not 0"):
            samples(sink, limit=0)
        with pytest.raises(ValueError, match='when_full must be "wait" or "drop_oldest", not \'raise\''):
            samples(sink, when_full="raise")  # type: ignore[arg-type]
        with pytest.raises(GleenletError, match=r"samples\(\) needs an appsink, not source"):
            samples(source)
        with pytest.raises(GleenletError, match=r"push\(\) needs an appsrc, not sink"):
            push(sink, b"")
    with pytest.raises(GleenletError, match=r"sink is in no open pipeline. Write: with pipeline"):
        samples(sink)


def test_a_sample_that_is_kept_is_not_the_sinks_own() -> None:
    with pipeline("videotestsrc ! appsink name=sink sync=false") as p:
        sink = p.get_by_name("sink")
        p.play()
        steps = samples(sink)
        kept = next(steps)
        caps = kept.get_caps()
        p.seek(10)  # a critical warning where the sink's own is kept
        assert caps.is_equal(next(steps).get_caps())  # type: ignore[union-attr,arg-type]


def test_buffer_lists_come_whole() -> None:
    with pipeline("appsrc name=source ! appsink name=sink buffer-list=true") as p:
        p.play()
        buffers = Gst.BufferList.new()
        for word in (b"one", b"two"):
            buffers.insert(-1, Gst.Buffer.new_wrapped(word))
        p.get_by_name("source").emit("push-buffer-list", buffers)
        push_all(p, None)
        (sample,) = samples(p.get_by_name("sink"))
        together = sample.get_buffer_list()
        assert together is not None
        assert together.length() == 2

"""What a pipeline's elements tell, to whom, and in which order; and what is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable

import gi
import pytest

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

from gleenlet import run, sleep, spawn
from gleenlet.gst import Pipeline, PipelineError, _bus, pipeline
from watching import has_handler, live_sources

Gst.init(None)

TEN_PICTURES = "videotestsrc num-buffers=10 ! fakesink"


def tell(p: Pipeline, text: str) -> None:
    p.pipeline.post_message(Gst.Message.new_application(p.pipeline, Gst.Structure.new_empty(text)))


def texts(p: Pipeline) -> list[str]:
    """What was told by `tell`, up to the end."""
    return [text(message) for message in p.messages() if message.type == Gst.MessageType.APPLICATION]


def text(message: Gst.Message) -> str:
    structure = message.get_structure()
    assert structure is not None
    return structure.get_name()


def test_all_messages_are_given_from_before_the_first_wait_to_the_end() -> None:
    with pipeline(TEN_PICTURES) as p:
        tell(p, "first")
        p.pause()
        tell(p, "second")
        p.play()
        types = [message.type for message in p.messages()]
        assert types.count(Gst.MessageType.APPLICATION) == 2
        assert types.count(Gst.MessageType.EOS) == 1
        assert Gst.MessageType.STATE_CHANGED in types
        assert list(p.messages()) == []  # each once


def test_wait_eos_takes_none() -> None:
    with pipeline(TEN_PICTURES) as p:
        tell(p, "kept")
        p.play()
        p.wait_eos()
        assert texts(p) == ["kept"]


def test_a_task_iterates_while_another_waits_for_the_end() -> None:
    with pipeline(TEN_PICTURES) as p:
        waits = spawn(p.wait_eos)
        told = spawn(texts, p)
        sleep(0)
        tell(p, "something")
        p.play()
        waits.result()
        assert told.result() == ["something"]


def test_messages_end_with_the_block() -> None:
    with pipeline("videotestsrc ! fakesink") as p:
        told = spawn(texts, p)
        sleep(0)
        tell(p, "something")
        p._bus.drain()
    assert told.result() == ["something"]


def test_an_error_is_raised_in_its_order() -> None:
    told: list[str] = []
    with pipeline("appsrc name=source ! identity name=breaks error-after=1 ! fakesink") as p:
        p.play()
        tell(p, "before")
        p.get_by_name("source").emit("push-buffer", Gst.Buffer.new_wrapped(b"data"))
        with pytest.raises(PipelineError, match="breaks"):
            told.extend(text(message) for message in p.messages() if message.type == Gst.MessageType.APPLICATION)
    assert told == ["before"]


def test_a_warning_is_a_message_and_no_error() -> None:
    with pipeline(TEN_PICTURES) as p:
        p.pipeline.post_message(Gst.Message.new_warning(p.pipeline, GLib.Error("careful"), "details"))
        p.play()
        assert Gst.MessageType.WARNING in [message.type for message in p.messages()]


def test_the_oldest_are_dropped_where_nobody_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bus, "KEPT", 3)
    with pipeline(TEN_PICTURES) as p:
        for word in ("one", "two", "three", "four", "five"):
            tell(p, word)
        while not p.dropped:
            sleep(0)
        p._bus.drain()
        assert p.dropped == 2
        steps = p.messages()
        assert [text(next(steps)) for _ in range(3)] == ["three", "four", "five"]


def test_a_dropped_error_is_raised_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bus, "KEPT", 1)
    with pipeline(TEN_PICTURES) as p:
        p.pipeline.post_message(Gst.Message.new_error(p.pipeline, GLib.Error("lost"), "details"))
        tell(p, "later")
        p._bus.drain()
        with pytest.raises(PipelineError, match="lost"):
            texts(p)


def test_the_programs_own_handlers_see_them_too() -> None:
    with pipeline(TEN_PICTURES) as p:
        seen: list[Gst.Message] = []
        bus = p.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::eos", lambda _bus, message: seen.append(message))
        p.play()
        p.wait_eos()
        bus.remove_signal_watch()
    assert len(seen) == 1


def test_messages_come_that_are_told_in_another_threads_loop() -> None:
    element = Gst.parse_launch(TEN_PICTURES)
    bus = element.get_bus()
    assert bus is not None
    context, started = GLib.MainContext.new(), threading.Event()
    loop = GLib.MainLoop.new(context, False)

    def other_thread() -> None:
        context.push_thread_default()
        bus.add_signal_watch()
        context.invoke_full(GLib.PRIORITY_DEFAULT, lambda *_: started.set() or False)
        loop.run()
        bus.remove_signal_watch()
        context.pop_thread_default()

    thread = threading.Thread(target=other_thread)
    thread.start()
    started.wait()
    try:
        with pipeline(element) as p:
            tell(p, "from-there")
            p.play()
            p.wait_eos()
            assert texts(p) == ["from-there"]
    finally:
        loop.quit()
        thread.join()


def leave_early() -> None:
    with pipeline("videotestsrc ! fakesink") as p:
        p.play()
        waits = spawn(p.wait_eos)
        sleep(0)
        waits.cancel()


@pytest.mark.parametrize("use", [leave_early, test_all_messages_are_given_from_before_the_first_wait_to_the_end])
def test_nothing_is_left_behind(use: Callable[[], None], nothing_left: None) -> None:
    run(sleep, 0)
    sources = live_sources()
    run(use)
    assert live_sources() == sources
    assert _bus.heard == {}


def test_a_bus_keeps_no_handler() -> None:
    with pipeline(TEN_PICTURES) as p:
        bus = p.pipeline.get_bus()
        assert has_handler(bus, "message")
    assert not has_handler(bus, "message")

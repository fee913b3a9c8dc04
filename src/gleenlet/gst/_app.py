"""samples and push: what comes out of an appsink, and what goes into an appsrc.

Both elements hold the data themselves and have their own limits: a full appsink has its streaming thread wait,
in C. That thread enters Python only to say that there is something. Signals alone are used, so no typelib of
GstApp's is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from gi.repository import Gst

from gleenlet import GleenletError
from gleenlet.gst._bus import Bus, heard
from gleenlet.gst._threads import check_thread

WhenFull = Literal["wait", "drop_oldest"]


def samples(appsink: Gst.Element, limit: int = 4, when_full: WhenFull = "wait") -> Iterator[Gst.Sample]:
    """Iterate over the samples that reach an appsink; each step waits for the next one.

    Args:
        appsink: in a pipeline whose block is entered.
        limit: how many samples it holds for the next steps; its `max-buffers`.
        when_full: what happens to one more: "wait": the stream waits for a step; "drop_oldest"; its `drop`.

    Returns: the iterator. It ends with the stream, with the pipeline's way to READY or NULL, and with its block.

    Raises:
        ValueError: `limit` is less than 1, or `when_full` none of the two.
        GleenletError: no appsink, or in no open pipeline; this is a streaming thread.

    By a step: PipelineError: an element has failed. Cancelled, UnsafeSwitchError: as in `sleep`.

    >>> from gleenlet.gst import pipeline
    >>> with pipeline("audiotestsrc num-buffers=3 ! audio/x-raw,format=S16LE,channels=1 ! appsink name=sink") as p:
    ...     p.play()
    ...     [sample.get_buffer().get_size() for sample in samples(p.get_by_name("sink"))]
    [2048, 2048, 2048]
    """
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, not {limit}")
    if when_full not in ("wait", "drop_oldest"):
        raise ValueError(f'when_full must be "wait" or "drop_oldest", not {when_full!r}')
    bus = bus_of(appsink, "appsink", "samples()")
    appsink.set_property("max-buffers", limit)
    appsink.set_property("drop", when_full == "drop_oldest")
    return iterate(appsink, bus)


def iterate(appsink: Gst.Element, bus: Bus) -> Iterator[Gst.Sample]:
    started = False
    with pokes(appsink, bus, "new-sample", "eos"):
        while True:
            bus.raise_failure()
            sample = appsink.emit("try-pull-sample", 0)
            if sample is not None:
                sample = separate(sample)
                yield sample
                del sample  # while this waits for the next one, it keeps none alive
                continue
            active = appsink.current_state >= Gst.State.PAUSED
            if bus.closed or (appsink.get_property("eos") if active else started):
                bus.drain()  # an error stands on the bus before the end that it makes
                bus.raise_failure()
                return
            started = active
            bus.pause()


def separate(sample: Gst.Sample) -> Gst.Sample:
    """Make one of it that is the program's alone.

    The sink uses its own again, and after a flush changes its caps, whoever still holds it: a critical warning.
    """
    result = Gst.Sample.new(sample.get_buffer(), sample.get_caps(), sample.get_segment(), None)
    buffers = sample.get_buffer_list()
    if buffers is not None:
        result.set_buffer_list(buffers)
    return result


def push(appsrc: Gst.Element, data: Gst.Buffer | Gst.Sample | bytes | None) -> None:
    """Put data into an appsrc; while it is full, wait.

    Args:
        appsrc: in a pipeline whose block is entered, paused or playing. It is full at its `max-bytes`
            (200,000 if nobody sets it), `max-buffers` or `max-time`.
        data: a buffer, a sample (its caps become those of the stream), bytes, or None: the end of the stream.

    Raises:
        PipelineError: an element has failed.
        TypeError: `data` is something else.
        GleenletError: no appsrc, or in no open pipeline; it does not play, or its stream has ended; this is a
            streaming thread.
        Cancelled, UnsafeSwitchError: as in `sleep`; nothing was pushed.

    >>> from gleenlet.gst import pipeline
    >>> with pipeline("appsrc name=source ! fakesink") as p:
    ...     p.play()
    ...     for word in (b"some", b"data", None):
    ...         push(p.get_by_name("source"), word)
    ...     p.wait_eos()
    """
    bus = bus_of(appsrc, "appsrc", "push()")
    if data is not None and not isinstance(data, Gst.Buffer | Gst.Sample | bytes | bytearray | memoryview):
        raise TypeError(f"push() needs a Gst.Buffer, Gst.Sample, bytes or None, not {type(data).__name__}")
    bus.raise_failure()
    if full(appsrc):
        with pokes(appsrc, bus, "need-data"):
            bus.wait(lambda: bus.eos or not full(appsrc))
    if data is None:
        flow = appsrc.emit("end-of-stream")
    elif isinstance(data, Gst.Sample):
        flow = appsrc.emit("push-sample", data)
    else:
        flow = appsrc.emit("push-buffer", data if isinstance(data, Gst.Buffer) else buffer_of(data))
    if flow != Gst.FlowReturn.OK:
        bus.drain()
        bus.raise_failure()
        why = "its stream has ended" if flow == Gst.FlowReturn.EOS else "it does not run: p.play() or p.pause() first"
        raise GleenletError(f"{appsrc.get_name()} takes no data: {why}")


def buffer_of(data: bytes) -> Gst.Buffer:
    return Gst.Buffer.new_wrapped(data) if data else Gst.Buffer.new()  # PyGObject gives NULL for no bytes, and crashes


def full(appsrc: Gst.Element) -> bool:
    for kind in ("bytes", "buffers", "time"):
        limit = appsrc.get_property(f"max-{kind}")
        if 0 < limit <= appsrc.get_property(f"current-level-{kind}"):
            return True
    return False


@contextmanager
def pokes(element: Gst.Element, bus: Bus, *signals: str) -> Iterator[None]:
    """Have signals that an element emits in its streaming thread wake those who wait for its pipeline."""

    def emitted(*_: Any) -> Gst.FlowReturn:
        bus.poke()
        return Gst.FlowReturn.OK

    handlers = [element.connect(signal, emitted) for signal in signals]
    if not element.get_property("emit-signals"):
        bus.made_loud[element] = 0
        element.set_property("emit-signals", True)
    if element in bus.made_loud:
        bus.made_loud[element] += 1
    try:
        yield
    finally:
        for handler in handlers:
            element.disconnect(handler)
        if element in bus.made_loud:
            bus.made_loud[element] -= 1
            if not bus.made_loud[element]:  # nobody else wants its signals
                del bus.made_loud[element]
                element.set_property("emit-signals", False)


def bus_of(element: Gst.Element, kind: str, what: str) -> Bus:
    """What hears the pipeline that `element` is in, after a check that all is as it has to be."""
    if not isinstance(element, Gst.Element):
        raise TypeError(f"{what} needs an {kind}, not {type(element).__name__}")
    factory = element.get_factory()
    if factory is None or factory.get_name() != kind:
        raise GleenletError(f"{what} needs an {kind}, not {element.get_name()}")
    outermost: Gst.Object | None = element
    while outermost is not None:
        bus = heard.get(outermost)
        if bus is not None:
            check_thread(bus.hub, what)
            return bus
        outermost = outermost.get_parent()
    raise GleenletError(
        f"{what}: {element.get_name()} is in no open pipeline. Write: with pipeline(...) as p: {what.rstrip('()')}(...)"
    )

"""pipeline: a GStreamer pipeline whose state changes, messages and end are waited for.

What may take its time, or wait for a streaming thread, goes to a thread of its own; what comes of it is heard
on the bus. Knows nothing of appsink and appsrc, but that a pipeline with an appsrc lacks data until some is pushed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from gi.repository import GLib, Gst

from gleenlet import GleenletError, Hub
from gleenlet._core import check_descriptors
from gleenlet.gst._bus import Bus, Limit, heard
from gleenlet.gst._errors import PipelineError, core_error
from gleenlet.gst._threads import check_thread, in_thread, in_thread_without_loop

T = TypeVar("T")

FAR = 2**63 / Gst.SECOND  # seconds: where GStreamer's time ends
NEEDED = 8  # descriptors: each bin's bus takes one, and goes on without, with criticals of GStreamer's
NULL_GRACE = 2.0  # seconds that a task, cancelled while its pipeline goes to NULL, still waits for that


def pipeline(description: str | Gst.Element, *, eos_on_exit: float | None = None) -> Pipeline:
    """Make a pipeline that runs in a `with` block and is in the state NULL after it, however it is left.

    Args:
        description: as for gst-launch-1.0, or an element; one that is no pipeline is put into one.
        eos_on_exit: seconds. Left while it plays, the block sends the end of the stream, so that files are
            finished, and waits so long for it. None: it does not.

    Raises:
        PipelineError: the description has an error, or names what is not installed.
        TypeError: `description` is neither. ValueError: `eos_on_exit` is negative or NaN.
        GleenletError: the element is inside another. OSError: not enough descriptors are free.

    Thread: the one whose loop tells its messages.

    >>> with pipeline("videotestsrc num-buffers=3 ! fakesink") as p:
    ...     p.play()
    ...     p.wait_eos()
    """
    if eos_on_exit is not None and not eos_on_exit >= 0:
        raise ValueError(f"eos_on_exit must be 0 or more seconds or None, not {eos_on_exit!r}")
    check_descriptors(NEEDED)
    if not Gst.is_initialized():
        Gst.init(None)
    element = description
    if not isinstance(element, str | Gst.Element):
        raise TypeError(f"pipeline() needs a description or a Gst.Element, not {type(element).__name__}")
    if isinstance(element, str):
        try:
            # Without this flag what was made before the error is returned beside it, and leaks in PyGObject.
            element = Gst.parse_launch_full(element, None, Gst.ParseFlags.FATAL_ERRORS)
        except GLib.Error as error:
            raise PipelineError(error) from None
    parent = element.get_parent()
    if parent is not None:
        raise GleenletError(f"{element.get_name()} is inside {parent.get_name()}: give the outermost one")
    return Pipeline(element, eos_on_exit)


class Pipeline:
    """What `pipeline` returns: a context manager, and what can be done with a pipeline in its block.

    The first error that an element reports is raised wherever something of the pipeline's is waited for, and
    at the block's end if it was nowhere. READY and NULL begin anew.
    """

    element: Gst.Element
    """What was given, or made of the description."""
    pipeline: Gst.Pipeline
    """`element`, or what it was put into."""

    def __init__(self, element: Gst.Element, eos_on_exit: float | None) -> None:
        self.element = element
        if isinstance(element, Gst.Pipeline):
            self.pipeline = element
        else:
            self.pipeline = Gst.Pipeline.new(None)
            self.pipeline.add(element)
        self._bus = Bus(self.pipeline)
        self._eos_on_exit = eos_on_exit
        self._entered = False

    def __repr__(self) -> str:
        return f"<gleenlet.gst.Pipeline {self.pipeline.get_name()!r}, {self.pipeline.current_state.value_nick}>"

    @property
    def hub(self) -> Hub:
        """The loop's, for streaming threads: `p.hub.call_soon_threadsafe(spawn, function)` has a task made there."""
        return self._bus.hub

    @property
    def dropped(self) -> int:
        """How many messages `messages` has lost, as nobody took them: 1,000 are kept, the newest."""
        return self._bus.dropped

    def __enter__(self) -> Self:
        check_thread(self.hub, "pipeline()")
        if self._entered:
            raise GleenletError("this pipeline() was used before: make one for each `with`")
        if self.pipeline in heard:
            raise GleenletError(f"{self.pipeline.get_name()} is in the block of another pipeline()")
        self._entered = True
        self._bus.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        bus, finished = self._bus, True
        if bus.closed or not self._entered:
            raise GleenletError("this pipeline() has no open block to leave. Write: with pipeline(...) as p: ...")
        try:
            if self._eos_on_exit is not None and not self.hub.closed:
                finished = self._finish(self._eos_on_exit)
        finally:
            try:
                # NULL is reached where waiting for it is refused, too: the thread has begun by then.
                run_there = in_thread if not self.hub.closed else in_thread_without_loop
                run_there(lambda: self.pipeline.set_state(Gst.State.NULL), grace=NULL_GRACE)
            finally:
                bus.close()
        if kind is None and not bus.told:
            bus.raise_failure()
        if kind is None and not finished:
            raise TimeoutError(
                f"{self.pipeline.get_name()} has not come to its end within {self._eos_on_exit} seconds "
                "(eos_on_exit): what it wrote may be incomplete"
            )

    def play(self, timeout: float | None = None) -> None:
        """Have it play, and wait until it does; where an appsrc lacks data, until that can be pushed.

        Args, Raises: as in `state`.

        >>> with pipeline("videotestsrc ! fakesink") as p:
        ...     p.play()
        ...     p.pause()
        """
        self._change(Gst.State.PLAYING, timeout, "play()", may_lack_data=True)

    def pause(self, timeout: float | None = None) -> None:
        """Have it pause, and wait until the first data is at its sinks; as `play`."""
        self._change(Gst.State.PAUSED, timeout, "pause()", may_lack_data=True)

    def state(self, state: Gst.State, timeout: float | None = None) -> None:
        """Change its state in a thread, and wait until that is reached.

        Args:
            timeout: seconds, None for no limit. A change that takes longer goes on.

        Raises:
            PipelineError: an element cannot do it, or has failed before.
            ValueError: `timeout` is negative or NaN; `state` is VOID_PENDING, which is none. TypeError: no state.
            TimeoutError: not within `timeout` seconds.
            GleenletError: another task gives it another state meanwhile; this is a streaming thread, or another
                than the loop's; outside the block.
            Cancelled, UnsafeSwitchError: as in `sleep`.

        >>> with pipeline("videotestsrc ! fakesink") as p:
        ...     p.state(Gst.State.PAUSED, timeout=5)
        """
        if not isinstance(state, Gst.State):
            raise TypeError(f"state() needs a Gst.State such as Gst.State.PAUSED, not {type(state).__name__}")
        if state == Gst.State.VOID_PENDING:
            raise ValueError("VOID_PENDING is no state to be in: use NULL, READY, PAUSED or PLAYING")
        self._change(state, timeout, "state()", may_lack_data=False)

    def seek(
        self,
        position: float,
        *,
        rate: float = 1.0,
        flags: Gst.SeekFlags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE,
        timeout: float | None = None,
    ) -> None:
        """Go to a position and wait until its data is there; for what is paused or plays.

        Args:
            position: seconds from the beginning.
            rate: 2.0 is twice as fast, negative is backwards from there.
            timeout: seconds, None for no limit.

        Raises:
            PipelineError: it cannot seek, or an element has failed before.
            ValueError: `position` is negative, NaN or beyond GStreamer's time; `rate` is 0 or not finite.
            Others as in `state`.

        >>> with pipeline("videotestsrc num-buffers=300 ! fakesink") as p:
        ...     p.pause()
        ...     p.seek(2.5)
        ...     p.position()
        2.5
        """
        if not 0 <= position < FAR:
            raise ValueError(f"position must be 0 or more seconds, not {position!r}")
        if not rate or not math.isfinite(rate):
            raise ValueError(f"rate must be a number but 0, not {rate!r}: p.pause() stands still")
        bus, limit = self._bus, self._limit(timeout, "seek()", f"has not gone to {position} s")
        there = Gst.SeekType.SET, round(position * Gst.SECOND)
        start, stop = there, (Gst.SeekType.NONE, 0)
        if rate < 0:
            start, stop = (Gst.SeekType.SET, 0), there
        bus.drain()
        before, bus.eos = bus.eos, False  # the next end may come before the call returns
        if not self._in_thread(lambda: self.pipeline.seek(rate, Gst.Format.TIME, flags, *start, *stop), limit):
            bus.eos = before
            self._fail(Gst.CoreError.SEEK, f"cannot go to {position} s")
        self._settle(limit, may_lack_data=True)

    def position(self) -> float | None:
        """Return where it is, in seconds; None while no element knows, before it is paused for one.

        The question goes through all elements, which may take their time: it is asked in a thread.

        Raises: as `state`.
        """
        self._check("position()")
        known, position = in_thread(lambda: self.pipeline.query_position(Gst.Format.TIME))
        return position / Gst.SECOND if known and position >= 0 else None

    def duration(self) -> float | None:
        """Return how long it is, in seconds; None while no element knows; as `position`.

        >>> with pipeline("videotestsrc num-buffers=30 ! video/x-raw,framerate=30/1 ! fakesink") as p:
        ...     p.pause()
        ...     p.duration()
        1.0
        """
        self._check("duration()")
        known, duration = in_thread(lambda: self.pipeline.query_duration(Gst.Format.TIME))
        return duration / Gst.SECOND if known and duration >= 0 else None

    def get_by_name(self, name: str) -> Gst.Element:
        """Return the element of that name: `name=...` in a description.

        Raises: GleenletError: there is none.
        """
        element = self.pipeline.get_by_name(name)
        if element is None:
            raise GleenletError(f"{self.pipeline.get_name()} has no element {name!r}: write name={name} in it")
        return element

    def messages(self) -> Iterator[Gst.Message]:
        """Iterate over what its elements tell, each message once, those since the block's beginning first.

        It ends with the stream or the block. At an error it raises it.

        Raises: by a step: PipelineError: an element has failed. Cancelled, UnsafeSwitchError: as in `sleep`.

        >>> with pipeline("videotestsrc num-buffers=3 ! fakesink") as p:
        ...     p.play()
        ...     [message.src is p.pipeline for message in p.messages() if message.type == Gst.MessageType.EOS]
        [True]
        """
        self._check("messages()")
        return self._messages()

    def wait_eos(self, timeout: float | None = None) -> None:
        """Wait for the end of the stream, no time if it has come; `messages` gives it all the same.

        Args:
            timeout: seconds, None for no limit.

        Raises: PipelineError: an element has failed. Others as in `state`.
        """
        limit = self._limit(timeout, "wait_eos()", "has not come to its end")
        self._bus.wait(lambda: self._bus.eos, limit)

    # ---- inside ----

    def _check(self, what: str) -> None:
        check_thread(self.hub, what)
        if self._bus.closed or not self._entered:
            raise GleenletError(f"{what} was called outside the block. Write: with pipeline(...) as p: p.{what}")

    def _limit(self, timeout: float | None, method: str, what: str) -> Limit:
        self._check(method)
        return Limit(timeout, f"{self.pipeline.get_name()} {what}")

    def _in_thread(self, func: Callable[[], T], limit: Limit) -> T:
        try:
            return in_thread(func, limit.left())
        except TimeoutError:
            raise limit.error() from None

    def _messages(self) -> Iterator[Gst.Message]:
        bus = self._bus
        while True:
            while bus.inbox:
                message = bus.inbox.popleft()
                if message.type == Gst.MessageType.ERROR:
                    bus.told = True
                    raise PipelineError.of(message)
                yield message
            bus.raise_failure()  # its message may be among the dropped
            if bus.eos or bus.closed:
                return
            bus.pause()

    def _change(self, state: Gst.State, timeout: float | None, method: str, *, may_lack_data: bool) -> None:
        limit = self._limit(timeout, method, f"has not reached {state.value_nick}")
        anew = state <= Gst.State.READY
        if anew:
            self._forget()
        self._bus.raise_failure()
        change = self._in_thread(lambda: self.pipeline.set_state(state), limit)
        self._bus.poke()  # who waits for another state looks again: at NULL the bus drops what would tell him
        if change == Gst.StateChangeReturn.FAILURE:
            self._fail(Gst.CoreError.STATE_CHANGE, f"cannot reach {state.value_nick}")
        if anew:
            self._forget()
        elif self._settle(limit, may_lack_data) and self.pipeline.target_state != state:
            raise GleenletError(
                f"another task gave {self.pipeline.get_name()} the state {self.pipeline.target_state.value_nick} "
                f"before it had reached {state.value_nick}"
            )

    def _forget(self) -> None:
        self._bus.drain()
        self._bus.forget()

    def _settle(self, limit: Limit, may_lack_data: bool) -> bool:
        """Wait for the rest of a state change or seek, the first data at each sink; False if it lacks that data."""
        if (
            may_lack_data
            and self._changing()
            and everything(self.pipeline.iterate_all_by_element_factory_name("appsrc"))
        ):
            return False
        self._bus.wait(lambda: not self._changing(), limit)
        if self.pipeline.get_state(0)[0] == Gst.StateChangeReturn.FAILURE:
            self._fail(Gst.CoreError.STATE_CHANGE, "cannot go on with its state")
        return True

    def _changing(self) -> bool:
        return self.pipeline.get_state(0)[0] == Gst.StateChangeReturn.ASYNC

    def _fail(self, code: Gst.CoreError, text: str) -> None:
        """Raise what an element has told, and if none has, that it failed."""
        self._bus.drain()
        self._bus.raise_failure()
        raise core_error(code, text, self.pipeline)

    def _finish(self, seconds: float) -> bool:
        """Send the end of the stream, and wait for it; False if it has not come in time."""
        bus, limit = self._bus, Limit(seconds)
        if self.pipeline.current_state != Gst.State.PLAYING or bus.failure is not None:
            return True
        try:
            self._in_thread(lambda: self.pipeline.send_event(Gst.Event.new_eos()), limit)
            while not bus.eos and bus.failure is None:
                bus.pause(limit)
        except BaseException as error:
            # Where the stream stands still, at a full appsink for one, so does send_event(), which has locked the
            # state until a source takes the event: NULL would never come. Sinks that flush let the stream go on.
            in_thread(self._flush)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def _flush(self) -> None:
        for sink in everything(self.pipeline.iterate_sinks()):
            for pad in everything(sink.iterate_sink_pads()):
                pad.send_event(Gst.Event.new_flush_start())


def everything(found: Gst.Iterator | None) -> list[Any]:
    """What an iterator of GStreamer's gives: from the start again where somebody changes it meanwhile."""
    result: list[Any] = []
    while found is not None:
        what, item = found.next()
        if what == Gst.IteratorResult.RESYNC:
            result.clear()
            found.resync()
        elif what == Gst.IteratorResult.OK:
            result.append(item)
        else:
            break
    return result

"""Bus: what a pipeline's elements tell, heard in the loop's thread, and who waits for it.

Here are the pipelines whose blocks are entered, so that an element can be led back to what is heard of it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable

from gi.repository import GLib, Gst

from gleenlet import GleenletError, get_hub, sleep
from gleenlet._core import Waiter, get_ident, time_left
from gleenlet.gst._errors import PipelineError
from gleenlet.gst._threads import check_thread

KEPT = 1_000  # messages

heard: dict[Gst.Object, Bus] = {}
"""By pipeline: those that are open."""


class Limit:
    """One `timeout` for several waits in a row, and what is said when it is over."""

    def __init__(self, timeout: float | None, what: str = "") -> None:
        self.timeout = timeout
        self.what = what
        self.deadline = Waiter(timeout).deadline  # refuses bad input

    def left(self) -> float | None:
        return time_left(self.deadline)

    def error(self) -> TimeoutError:
        return TimeoutError(f"{self.what} within {self.timeout} seconds")


class Bus:
    """Hears a pipeline from `open` to `close`. The messages are kept, the first error and the end are known."""

    def __init__(self, pipeline: Gst.Pipeline) -> None:
        self.pipeline = pipeline
        self.hub = get_hub()
        self.inbox: deque[Gst.Message] = deque(maxlen=KEPT)
        self.dropped = 0
        self.eos = False
        self.failure: Gst.Message | None = None
        self.told = False  # somebody got the failure raised
        self.closed = False
        self.made_loud: dict[Gst.Element, int] = {}
        """Elements that emit signals because somebody waits for them, and for how many."""
        self._bus = pipeline.get_bus()
        self._handler = 0
        self._waiters: list[Waiter] = []
        self._poked = False

    def open(self) -> None:
        # A signal watch, as it is shared: the program may have its own handlers beside this one.
        self._bus.add_signal_watch()
        self._handler = self._bus.connect("message", self._message)
        heard[self.pipeline] = self

    def close(self) -> None:
        self._bus.disconnect(self._handler)
        if self.hub.closed:
            # The watch may be gone with its context, and GStreamer ends the process if there is none to remove.
            self._bus.add_watch(GLib.PRIORITY_DEFAULT, lambda *_: True)
        self._bus.remove_signal_watch()
        del heard[self.pipeline]
        self.closed = True
        self._look()

    def poke(self) -> None:
        """Have everybody who waits look again. Thread: any; it never waits."""
        if not self._poked:
            self._poked = True
            with contextlib.suppress(GleenletError):  # the loop's thread has ended: nobody waits
                self.hub.call_soon_threadsafe(self._look)

    def pause(self, limit: Limit | None = None) -> None:
        """Wait for the next message, `poke` or the end of the block.

        Raises: GleenletError: this is another thread than the loop's, which could not wake who waits here.
        """
        check_thread(self.hub, "a step of messages() or samples()")
        waiter = Waiter(limit.left() if limit else None, None, "GStreamer message")
        self._waiters.append(waiter)
        try:
            if waiter.wait(limit) is not None and limit is not None:
                raise limit.error()
        finally:
            self._waiters.remove(waiter)

    def wait(self, done: Callable[[], bool], limit: Limit | None = None) -> None:
        """Wait until `done()`.

        Raises: PipelineError: an element has failed, before or meanwhile. GleenletError: the block was left.
        """
        self.raise_failure()
        while not done():
            if self.closed:
                raise GleenletError(f"the block of {self.pipeline.get_name()} was left meanwhile")
            self.pause(limit)
            self.raise_failure()

    def raise_failure(self) -> None:
        if self.failure is not None:
            self.told = True
            raise PipelineError.of(self.failure)

    def drain(self) -> None:
        """Hear what is on the bus already."""
        while not self.closed and self._bus.have_pending():
            sleep(0)

    def forget(self) -> None:
        """It begins anew: the end and the failure are those of before."""
        self.eos, self.failure = False, None

    def _message(self, _: Gst.Bus, message: Gst.Message) -> None:
        if get_ident() != self.hub.thread:  # whoever made the first signal watch has it told in his loop
            self.hub.call_soon_threadsafe(self._message, _, message)
            return
        if message.type == Gst.MessageType.EOS:
            self.eos = True
        elif message.type == Gst.MessageType.ERROR and self.failure is None:
            self.failure, self.told = message, False
        self.dropped += len(self.inbox) == KEPT
        self.inbox.append(message)
        self._look()

    def _look(self) -> None:
        self._poked = False
        for waiter in self._waiters:
            waiter.wake()

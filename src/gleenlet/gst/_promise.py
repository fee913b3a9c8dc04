"""promise: wait for the answer to what takes a Gst.Promise. Knows no pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GLib, Gst

from gleenlet import GleenletError
from gleenlet._core import Waiter
from gleenlet.gst._errors import PipelineError
from gleenlet.gst._threads import in_thread


def promise(function: Callable[..., object], /, *args: Any, timeout: float | None = None) -> Gst.Structure | None:
    """Call `function(*args, promise)`, wait for the answer to that Gst.Promise and return it.

    Args:
        function: what takes a promise last: `webrtcbin.emit` for "create-offer", say.
        timeout: seconds, None for no limit.

    Returns: the answer, None if it is empty.

    Raises:
        PipelineError: the answer is an error.
        ValueError: `timeout` is negative or NaN.
        TimeoutError: no answer within `timeout` seconds. The promise is interrupted, as by a cancel.
        GleenletError: there will be none: it was given up.
        Cancelled, UnsafeSwitchError: as in `sleep`.

    Thread: any; the answer may come from another.

    >>> def greet(name, promise):
    ...     answer = Gst.Structure.new_empty("greeting")
    ...     answer.set_value("text", f"hello, {name}")
    ...     promise.reply(answer)
    >>> promise(greet, "you").get_value("text")
    'hello, you'
    """
    if not Gst.is_initialized():
        Gst.init(None)
    Waiter(timeout)  # refuses bad input before anything is asked
    made = Gst.Promise.new()
    try:
        function(*args, made)
        # In a thread: expire() takes the data of a change function away, and PyGObject dies of freeing none.
        result = in_thread(made.wait, timeout)
    except BaseException:
        made.interrupt()  # the thread ends
        raise
    if result != Gst.PromiseResult.REPLIED:
        raise GleenletError(f"{getattr(function, '__name__', function)} gave its promise up: there is no answer")
    answer = made.get_reply()
    if answer is not None and isinstance(error := answer.get_value("error"), GLib.Error):
        raise PipelineError(error)
    return answer

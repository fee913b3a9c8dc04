"""Frames of a window as a loop: what a task does between two of them is in the next one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from gleenlet import GleenletError, get_hub
from gleenlet._core import Waiter, check_span
from gleenlet.gtk._ends import describe, has_ended
from gleenlet.gtk._parents import check_thread, ending, need_gtk

__all__ = ["animate", "frame", "frames"]

EASES: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "in": lambda t: t**3,
    "out": lambda t: 1 - (1 - t) ** 3,
    "in-out": lambda t: 4 * t**3 if t < 0.5 else 1 - (2 - 2 * t) ** 3 / 2,
}


def frames(widget: Any) -> Iterator[float]:
    """Iterate over the frames in which `widget` is drawn, in step with them: `for time in frames(area)`.

    Args:
        widget: any; before it is realized the first step waits, and when it is unrealized the iteration ends.

    Each step waits for the next frame and gives its time: seconds of the frame clock, the same for all widgets of
    a window, meant for differences. The task runs before the frame is painted, so what it changes is in it. Frames
    are asked for only while the task waits for one; a window that is hidden draws none.

    Raises:
        TypeError: it is no widget.
        GleenletError: it is a window that was closed.
        Cancelled: the task was cancelled; no frame is asked for any more.
        UnsafeSwitchError: a GLib callback is on the stack here: connect with `green` or `handler`.

    Thread: the one that runs GTK; its other tasks go on.

    >>> for time in frames(area):  # doctest: +SKIP
    ...     area.queue_draw()
    """
    check(widget)
    return iterate(widget)


def iterate(widget: Any) -> Iterator[float]:
    seen = False
    while widget.get_realized() or not seen:
        time = next_frame(widget)
        if time is None:
            return
        seen = True
        yield time


def frame(widget: Any) -> float:
    """Wait for the next frame of `widget` and return its time; as one step of `frames`.

    Raises: as `frames`; GleenletError: the widget was unrealized, so no frame comes.

    >>> label.set_label("wide"); frame(label); print(label.get_width())  # doctest: +SKIP
    """
    check(widget)
    time = next_frame(widget)
    if time is None:
        raise GleenletError(f"{describe(widget)} was unrealized: no frame of it will come")
    return time


def animate(widget: Any, seconds: float, ease: str | Callable[[float], float] = "out") -> Iterator[float]:
    """Iterate over the frames of an animation: each step gives how far it has come, from 0.0 to exactly 1.0.

    Args:
        widget: whose frames; the iteration ends early when it is unrealized.
        seconds: how long it takes, from the first frame.
        ease: "linear", "in", "out", "in-out" (cubic), or a function from [0, 1] to your values.

    Where the user wants no animations (`gtk-enable-animations`, reduced motion) the only step is the last one, at
    once.

    Raises: as `frames`; ValueError: `seconds` is negative or NaN, or `ease` is unknown.

    >>> for progress in animate(banner, 0.3):  # doctest: +SKIP
    ...     banner.set_opacity(progress)
    """
    check_span(seconds)
    curve = EASES.get(ease) if isinstance(ease, str) else ease
    if not callable(curve):
        raise ValueError(f"ease must be one of {', '.join(EASES)}, or a function, not {ease!r}")
    check(widget)
    return run_animation(widget, seconds, curve)


def run_animation(widget: Any, seconds: float, curve: Callable[[float], float]) -> Iterator[float]:
    start = math.nan
    for time in frames(widget) if wants_motion(widget) else ():
        if math.isnan(start):
            start = time
        if time - start >= seconds:
            break
        yield curve((time - start) / seconds)
    else:
        if wants_motion(widget):
            return  # unrealized before the end
    yield curve(1.0)


def wants_motion(widget: Any) -> bool:
    settings = widget.get_settings()
    reduced = settings.find_property("gtk-interface-reduced-motion")  # GTK 4.20
    if reduced is not None and settings.get_property(reduced.name) != reduced.default_value:
        return False
    return bool(settings.get_property("gtk-enable-animations"))


def check(widget: Any) -> None:
    Gtk = need_gtk()
    if not isinstance(widget, Gtk.Widget):
        raise TypeError(f"frames are those of a widget, not of a {type(widget).__name__}")
    check_thread()
    if isinstance(widget, Gtk.Window) and has_ended(widget):
        raise GleenletError(f"{describe(widget)} was closed: no frame of it will come")


def next_frame(widget: Any) -> float | None:
    """The time of the next frame; None if the widget has ended."""
    waiter = Waiter(None, widget, "frame")
    hub = get_hub()
    asked = True

    def tick(_widget: Any, clock: Any) -> bool:
        nonlocal asked
        asked = False
        # Painting comes right after the frame clock's callbacks, before the loop is back: the task has to run here.
        waiter.resume(clock.get_frame_time() / 1e6)
        return False

    def unrealized(_widget: Any) -> None:
        hub.call_soon(lambda: widget.get_realized() or waiter.wake())  # it may be on its way to another parent

    callback = widget.add_tick_callback(tick)
    handler = widget.connect("unrealize", unrealized)
    try:
        with ending(widget, waiter.wake):
            return waiter.wait()  # type: ignore[no-any-return]  # what `tick` gave
    finally:
        if widget.handler_is_connected(handler):
            widget.disconnect(handler)
        if asked:
            widget.remove_tick_callback(callback)

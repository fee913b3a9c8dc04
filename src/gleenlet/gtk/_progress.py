"""`progress`: a bar that pulses until it is known how far the work is."""

from __future__ import annotations

from typing import Any, Self

from gleenlet import GleenletError, Task, sleep
from gleenlet.gtk._ends import gtk
from gleenlet.gtk._lifetimes import tasks_of

__all__ = ["Progress", "progress"]

PULSE = 0.1
"""Seconds between two pulses."""


def progress(bar: Any) -> Progress:
    """Show how far a block is: `with progress(bar) as p: ...`; the bar pulses until `p.update(fraction)`.

    At the end a bar is full, or empty if the block was left by an exception; an entry shows nothing any more.

    Args:
        bar: a `Gtk.ProgressBar`, or a `Gtk.Entry`, which has a bar in it.

    Raises: TypeError: anything else. By the block: GleenletError: the bar's window was closed before.

    >>> import gi; gi.require_version("Gtk", "4.0")
    >>> from gi.repository import Gtk
    >>> bar = Gtk.ProgressBar()
    >>> with progress(bar) as p:
    ...     for done in range(4):
    ...         p.update(done / 4)
    ...     bar.get_fraction()
    0.75
    >>> bar.get_fraction()
    1.0
    """
    Gtk = gtk()
    if Gtk is None or not isinstance(bar, Gtk.ProgressBar | Gtk.Entry):
        raise TypeError(f"progress() needs a Gtk.ProgressBar or a Gtk.Entry, not {bar!r}")
    return Progress(bar)


class Progress:
    """How far a block is, as a bar shows it; made by `progress`."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._entry = hasattr(bar, "progress_pulse")
        self._pulsing: Task[None] | None = None
        self._entered = False

    def __enter__(self) -> Self:
        if self._entered:
            raise GleenletError("this progress() is entered already: make one for each block")
        self._entered = True
        try:
            self.update(None)
        except BaseException:
            self._entered = False
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        self.update(0 if kind is not None or self._entry else 1)
        self._entered = False

    def update(self, fraction: float | None) -> None:
        """Show a fraction from 0 to 1; None: it is not known any more, so pulse.

        Raises: ValueError: `fraction` is less or more. GleenletError: outside the block.

        >>> import gi; gi.require_version("Gtk", "4.0")
        >>> from gi.repository import Gtk
        >>> with progress(Gtk.ProgressBar()) as p:
        ...     p.update(50)
        Traceback (most recent call last):
        ValueError: fraction must be from 0 to 1, or None, not 50
        """
        if not self._entered:
            raise GleenletError("update() is for the block: with progress(bar) as p: ... p.update(0.5)")
        if fraction is None:
            if self._pulsing is None:
                self._pulsing = tasks_of(self._bar).spawn(self._pulse, name="progress")
            return
        if not 0 <= fraction <= 1:
            raise ValueError(f"fraction must be from 0 to 1, or None, not {fraction!r}")
        if self._pulsing is not None:
            self._pulsing.cancel()
            self._pulsing = None
        if self._entry:
            self._bar.set_progress_fraction(fraction)
        else:
            self._bar.set_fraction(fraction)

    def _pulse(self) -> None:
        pulse = self._bar.progress_pulse if self._entry else self._bar.pulse
        while True:
            pulse()
            sleep(PULSE)

"""Counts what a wait registers: handlers, sources, cancellables. Knows one name of gleenlet's inside."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gi.repository import Gio, GLib, GObject

from gleenlet._glib import gio


def has_handler(obj: GObject.Object, signal: str) -> bool:
    """Whether anything is connected to `signal` of `obj`; with a detail, to that one."""
    parse: Any = GObject.signal_parse_name
    signal_id, detail = parse(signal, obj, True)
    return bool(GObject.signal_has_handler_pending(obj, signal_id, detail, True))


def live_sources() -> int:
    """How many sources the default context has once nothing is ready."""
    context = GLib.MainContext.default()
    while context.pending():
        context.iteration(False)
    newest = GLib.idle_add(bool)
    GLib.source_remove(newest)
    return sum(context.find_source_by_id(number) is not None for number in range(1, newest))


class Cancellables:
    """Those that `call` has made."""

    def __init__(self) -> None:
        self.made = 0
        self.gone = 0

    @property
    def left(self) -> int:
        gc.collect()
        return self.made - self.gone

    def wait_for_none(self) -> None:
        """Drive the loop until each is gone."""
        while self.left:
            GLib.MainContext.default().iteration(True)


@contextmanager
def counted_cancellables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cancellables]:
    """Count them while the block runs."""
    counted = Cancellables()

    def gone() -> None:
        counted.gone += 1

    def new() -> Gio.Cancellable:
        cancellable = Gio.Cancellable.new()
        counted.made += 1
        cancellable.weak_ref(gone)
        return cancellable

    with monkeypatch.context() as patch:
        patch.setattr(gio, "new_cancellable", new)
        yield counted

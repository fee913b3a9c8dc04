"""Another thread, with or without a main context of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gi.repository import GLib


def in_thread(func: Callable[..., object], *args: object) -> None:
    thread = threading.Thread(target=func, args=args)
    thread.start()
    thread.join()


def with_context(func: Callable[..., object], *args: object) -> None:
    context = GLib.MainContext.new()
    context.push_thread_default()
    try:
        func(*args)
    finally:
        context.pop_thread_default()

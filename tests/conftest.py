"""Fixtures that several test files use."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator

import greenlet
import pytest

from child import x_server
from gleenlet import get_hub
from gleenlet._core import failures
from inside import older, settle, unfinished

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell started us with `&`: no test of Ctrl-C would end
    signal.signal(signal.SIGINT, signal.default_int_handler)


def tell_coverage(_event: str, _greenlets: object) -> None:
    """Coverage's tracer asks which greenlet runs at calls and returns only: make it ask after each switch.

    It would credit the lines between a switch and the next call to whoever ran before.
    """
    tracer = sys.gettrace()
    if tracer is not None:
        tracer(sys._getframe(), "call", None)
        tracer(sys._getframe(), "return", None)


if type(sys.gettrace()).__name__ == "CTracer":
    greenlet.settrace(tell_coverage)


@pytest.fixture(autouse=True)
def failures_asked_for() -> Iterator[None]:
    """What a test holds in a cycle is not told of in the middle of the next one."""
    yield
    for task in list(failures._unasked):
        task.join()


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """The hub is afterwards as it was before."""
    settle()  # what an earlier test cancelled may still be ending
    settle()
    hub = get_hub()
    before = (hub.tasks(), hub._timers)  # asyncio's background loop, say, that another test started
    yield
    assert (hub.tasks(), hub._timers) == before
    assert (hub._held, hub.foreign) == (0, {})


@pytest.fixture
def no_task_left() -> Iterator[None]:
    """All tasks have ended afterwards, but for those of before."""
    settle()
    older.clear()
    older.update(get_hub().tasks())
    yield
    assert unfinished() == []


@pytest.fixture(scope="module")
def little_to_collect() -> Iterator[None]:
    """The garbage collector knows of what these tests make alone, not of all that the process has made before."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def display() -> Iterator[None]:
    """GTK 4 on the display at hand, else on a virtual one."""
    import gi

    gi.require_version("Gtk", "3.0" if os.environ.get("GLEENLET_TEST_TOOLKIT") == "gtk3" else "4.0")
    from gi.repository import Gdk, Gtk

    if "DISPLAY" in os.environ:
        assert Gdk.Display.get_default()
        yield
        return
    with x_server() as name:
        os.environ["DISPLAY"] = name
        assert Gtk.init_check()
        yield
        del os.environ["DISPLAY"]


@pytest.fixture
def no_background_loop() -> Iterator[None]:
    """asyncio's background loop ends with the test, and leaves no running loop behind."""
    import asyncio

    from gleenlet.asyncio import stop

    yield
    stop()
    assert asyncio._get_running_loop() is None

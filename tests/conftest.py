"""Fixtures that several test files use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from child import x_server
from gleenlet import get_hub
from inside import older, unfinished

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell started us with `&`: no test of Ctrl-C would end
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """The hub is afterwards as it was before."""
    hub = get_hub()
    before = (hub.tasks(), hub._timers)  # asyncio's background loop, say, that another test started
    yield
    assert (hub.tasks(), hub._timers) == before
    assert (hub._held, hub._foreign, hub._switches) == (0, {}, {})


@pytest.fixture
def no_task_left() -> Iterator[None]:
    """All tasks have ended afterwards, but for those of before."""
    older.clear()
    older.update(get_hub().tasks())
    yield
    assert unfinished() == []


@pytest.fixture(scope="session")
def display() -> Iterator[None]:
    """GTK 4 on the display at hand, else on a virtual one."""
    import gi

    gi.require_version("Gtk", "4.0")
    from gi.repository import Gtk

    if "DISPLAY" in os.environ:
        assert Gtk.init_check()
        yield
        return
    with x_server() as name:
        os.environ["DISPLAY"] = name
        assert Gtk.init_check()
        yield
        del os.environ["DISPLAY"]

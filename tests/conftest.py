"""Fixtures that several test files use."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from child import x_server


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

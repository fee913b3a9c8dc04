"""Importing gleenlet.gtk chooses no version of GTK: that is the program's."""

from __future__ import annotations

import pytest

from child import run_script


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_the_version_of_gtk_may_be_chosen_after_the_import(version: str) -> None:
    outcome = run_script(f"""
import sys
import gi
import gleenlet.gtk
assert "gi.repository.Gtk" not in sys.modules and "gi.repository.Gdk" not in sys.modules
gi.require_version("Gtk", "{version}")
from gi.repository import Gtk
print(Gtk._version)
""")
    assert outcome.stdout == f"{version}\n", outcome.stderr

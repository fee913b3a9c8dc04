"""The tests of dialogs and frames once more: with GTK 3 and with libadwaita, where a warning of GLib's is fatal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from child import run_script

HERE = Path(__file__).parent
FILES = [str(HERE / name) for name in ("test_dialogs.py", "test_frames.py")]

pytestmark = pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")


MISSING = 77
PROGRAM = f"""
import sys, gi, pytest
try:
    gi.require_version(*sys.argv[1:])
except ValueError:
    sys.exit({MISSING})
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *{FILES!r}]))
"""


@pytest.mark.parametrize(("toolkit", "namespace", "version"), [("gtk3", "Gtk", "3.0"), ("adw", "Adw", "1")])
def test_dialogs_and_frames_of_another_toolkit(toolkit: str, namespace: str, version: str) -> None:
    variables = {"GLEENLET_TEST_TOOLKIT": toolkit, "G_DEBUG": "fatal-warnings", "GSETTINGS_BACKEND": "memory"}
    outcome = run_script(PROGRAM, namespace, version, display=True, bus=True, env=variables)
    if outcome.status == MISSING:
        pytest.skip(f"{namespace} {version} is not installed")
    assert outcome.status == 0, outcome.stdout + outcome.stderr

"""The tests of dialogs and frames by toolkit: GTK 4, GTK 3 and libadwaita, where a warning of GLib's is a failure."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from child import run_script
from complaints import complaints

HERE = Path(__file__).parent
DIALOGS, FRAMES = str(HERE / "test_dialogs.py"), str(HERE / "test_frames.py")

pytestmark = pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")


MISSING = 77
PROGRAM = f"""
import os, sys, gi, pytest
print(os.getpid(), flush=True)
try:
    gi.require_version(*sys.argv[1:3])
except ValueError:
    sys.exit({MISSING})
sys.exit(pytest.main(["-v", "-s", "-p", "no:cacheprovider", *sys.argv[3:]]))
"""


@pytest.mark.parametrize(
    ("toolkit", "namespace", "version", "files"),
    [("gtk4", "Gtk", "4.0", (DIALOGS,)), ("gtk3", "Gtk", "3.0", (DIALOGS, FRAMES)), ("adw", "Adw", "1", (DIALOGS,))],
    ids=["gtk4", "gtk3", "adw"],
)
def test_dialogs_and_frames_without_a_warning(
    toolkit: str, namespace: str, version: str, files: tuple[str, ...]
) -> None:
    variables = {"GLEENLET_TEST_TOOLKIT": toolkit, "GSETTINGS_BACKEND": "memory"}
    outcome = run_script(PROGRAM, namespace, version, *files, display=True, bus=True, env=variables, timeout=900)
    if outcome.status == MISSING:
        pytest.skip(f"{namespace} {version} is not installed")
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    assert complaints(outcome.stderr, int(outcome.stdout.split()[0])) == [], outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("before", "error"),
    [
        ("", "GTK is not loaded: "),
        ("import gi; gi.require_version('Gtk', '4.0'); from gi.repository import Gtk", "there is no display to show"),
        ("import gi; gi.require_version('Gtk', '3.0'); from gi.repository import Gtk", "there is no display to show"),
    ],
    ids=["no Gtk", "no display", "no display, GTK 3"],
)
def test_a_dialog_where_none_can_be_shown_is_an_error_at_once(before: str, error: str) -> None:
    outcome = run_script(f"""
{before}
import gleenlet.gtk
try:
    gleenlet.gtk.tell(None, "Never seen")
except gleenlet.GleenletError as error:
    print(error)
""")
    assert outcome.stdout.startswith(error), outcome.stderr

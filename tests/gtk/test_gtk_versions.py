"""The same program with GTK 4 and GTK 3, each in a child process, where a warning of GLib's is fatal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from child import run_script

PROGRAMS = Path(__file__).parent / "programs"

pytestmark = pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")


@pytest.mark.parametrize("version", ["4.0", "3.0"])
def test_a_window_closed_at_any_moment_leaves_no_task_and_is_gone(version: str) -> None:
    outcome = run_script(PROGRAMS / "lifetimes.py", version, display=True, env={"G_DEBUG": "fatal-warnings"})
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == "ok\n", outcome.stderr

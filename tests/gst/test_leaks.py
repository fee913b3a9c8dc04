"""GStreamer's own leak tracer finds nothing of ours when it is deinitialised, and finds what a test plants."""

from __future__ import annotations

from pathlib import Path

import pytest

from child import run_script

PROGRAM = Path(__file__).parent / "programs" / "leaks.py"
TRACED = {"GST_TRACERS": "leaks", "GST_DEBUG": "GST_TRACER:7", "GST_DEBUG_NO_COLOR": "1"}


def leaks(*args: str) -> list[str]:
    outcome = run_script(PROGRAM, *args, env=TRACED)
    assert (outcome.stdout, outcome.status) == ("ended\n", 0), outcome.stderr
    assert "CRITICAL" not in outcome.stderr
    alive = [line for line in outcome.stderr.splitlines() if "object-alive, type-name=(string)Gst" in line]
    assert ("WARNING" in outcome.stderr) == bool(alive)  # it warns of what it has found, and nobody else does
    return alive


@pytest.mark.parametrize("typelib", ["app", "no-app"])
def test_nothing_is_left_alive_with_and_without_the_typelib_of_gst_app(typelib: str) -> None:
    assert leaks(typelib) == []


def test_the_tracer_finds_a_planted_leak() -> None:
    assert any("GstSample" in line for line in leaks("no-app", "planted"))

"""Every example runs in a child process and prints what its docstring says under `Output:`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from child import ROOT, matches, run_script

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONGEST = {"demo.py": 400, "mandelbrot.py": 80, "transcoder.py": 160}


def expected_output(path: Path) -> str:
    """What stands under `Output:` in the module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    _, found, output = docstring.partition("\nOutput:\n")
    assert found, f"{path.name}: its docstring has no line `Output:`"
    return output


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_prints_its_output(path: Path) -> None:
    source = path.read_text()
    if "from distributed" in source:
        pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    if "gevent" in path.name:
        pytest.importorskip("gevent")
    expected = expected_output(path)
    display = "Gtk" in source and "Xvfb" not in source  # the demo starts a display itself
    bus = "dbus" in source or "Gio.bus" in source
    outcome = run_script(path, display=display, bus=bus, env={"PYTHONFAULTHANDLER": "1"}, covered=False)
    assert outcome.status == 0, outcome.stderr
    assert matches(expected, outcome.stdout), f"expected:\n{expected}\n\nprinted:\n{outcome.stdout}\n{outcome.stderr}"
    if path.name == "demo.py":
        assert outcome.stderr == "", "what a newcomer sees first is about gleenlet, and nothing else"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < LONGEST.get(path.name, 60)


def test_wildcards_stand_for_anything_and_nothing_else_does() -> None:
    assert matches("a ... c\nd", "a b\nb c\nd\n")
    assert not matches("a.c", "abc")

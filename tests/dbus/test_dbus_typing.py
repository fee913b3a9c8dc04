"""What a type checker knows of proxies and services, and of the examples for D-Bus, GStreamer and processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from child import ROOT

api = pytest.importorskip("mypy.api", reason="mypy is not installed")
pytest.importorskip("gi-stubs", reason="pygobject-stubs is not installed")

EXAMPLES = ("dbus_client", "dbus_service", "pipeline", "transcoder", "mandelbrot")
FILES = [ROOT / "tests/typing/dbus.py", *(ROOT / f"examples/{name}.py" for name in EXAMPLES)]


def test_results_of_proxies_are_known(tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nmypy_path = {ROOT}/src\n")
    options = ["--strict", "--disable-error-code", "empty-body", f"--config-file={config}", f"--cache-dir={tmp_path}"]
    said, errors, _ = api.run([*options, *map(str, FILES)])
    assert said == f"Success: no issues found in {len(FILES)} source files\n", said + errors

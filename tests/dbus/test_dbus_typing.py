"""What a type checker knows of proxies and services, and of the examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from child import ROOT

api = pytest.importorskip("mypy.api", reason="mypy is not installed")
pytest.importorskip("gi-stubs", reason="pygobject-stubs is not installed")

FILES = [ROOT / name for name in ("tests/typing/dbus.py", "examples/dbus_client.py", "examples/dbus_service.py")]


def test_results_of_proxies_are_known(tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nmypy_path = {ROOT}/src\n")
    options = ["--strict", "--disable-error-code", "empty-body", f"--config-file={config}", f"--cache-dir={tmp_path}"]
    said, errors, _ = api.run([*options, *map(str, FILES)])
    assert said == f"Success: no issues found in {len(FILES)} source files\n", said + errors

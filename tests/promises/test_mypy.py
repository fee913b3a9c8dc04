"""What mypy says of programs that use gleenlet: the files of tests/typing, with and without the plugin for `call`."""

from __future__ import annotations

from pathlib import Path

import pytest

from child import ROOT

api = pytest.importorskip("mypy.api", reason="mypy is not installed")
pytest.importorskip("gi-stubs", reason="pygobject-stubs is not installed")

CONFIG = """
[mypy]
strict = True
mypy_path = {root}/src
{plugins}
"""


def run_mypy(folder: Path, name: str, plugins: str) -> str:
    """What mypy says of tests/typing/{name}.py."""
    config = folder / "mypy.ini"
    config.write_text(CONFIG.format(root=ROOT, plugins=plugins))
    out, err, _ = api.run(
        [f"--config-file={config}", f"--cache-dir={folder}", str(ROOT / "tests" / "typing" / f"{name}.py")]
    )
    return str(out + err)


def test_call_has_the_types_of_its_operation(tmp_path: Path) -> None:
    assert run_mypy(tmp_path, "call", "plugins = gleenlet.mypy").startswith("Success")


def test_call_is_any_without_the_plugin(tmp_path: Path) -> None:
    said = run_mypy(tmp_path, "call", "")
    assert 'Expression is of type "Any", not "FileInfo"' in said
    assert said.count("unused-ignore") == 3  # wrong arguments pass


def test_tasks_of_several_types_go_together(tmp_path: Path) -> None:
    said = run_mypy(tmp_path, "tasks", "")
    assert said.startswith("Success"), said

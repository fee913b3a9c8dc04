"""What mypy says of programs that use gleenlet: the files of tests/typing, with and without the plugin for `call`."""

from __future__ import annotations

from pathlib import Path

import pytest

from child import ROOT

api = pytest.importorskip("mypy.api", reason="mypy is not installed")
pytest.importorskip("gi-stubs", reason="pygobject-stubs is not installed")

TYPING = ROOT / "tests" / "typing"
CONFIG = """
[mypy]
strict = True
mypy_path = {root}/src
{plugins}
"""


def run_mypy(folder: Path, plugins: str, *names: str) -> str:
    """What mypy says of these files of tests/typing."""
    config = folder / "mypy.ini"
    config.write_text(CONFIG.format(root=ROOT, plugins=plugins))
    paths = [str(TYPING / f"{name}.py") for name in names]
    out, err, _ = api.run([f"--config-file={config}", f"--cache-dir={folder}", *paths])
    return str(out + err)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What it says without the plugin, line by line: the stubs of GLib and Gio take it some seconds, so once."""
    return run_mypy(tmp_path_factory.mktemp("mypy"), "", "call", "tasks").splitlines()


def test_call_has_the_types_of_its_operation(tmp_path: Path) -> None:
    assert run_mypy(tmp_path, "plugins = gleenlet.mypy", "call").startswith("Success")


def test_call_is_any_without_the_plugin(plain: list[str]) -> None:
    said = "\n".join(plain)
    assert 'Expression is of type "Any", not "FileInfo"' in said
    assert said.count("unused-ignore") == 3  # wrong arguments pass


def test_tasks_of_several_types_go_together(plain: list[str]) -> None:
    *_, summary = plain
    assert [line for line in plain if "call.py" not in line] == [summary]

"""Imports go downwards only: a file knows what stands above it in this list, and nothing else of ours."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "gleenlet"

LAYERS = [
    "_errors",
    "_core",
    "_slabs",
    "_wakeup",
    "_hub",
    "_task",
    "_scopes",
    "_wait",
    "_sync",
    "_barrier",
    "_queue",
    "_introspect",
    "_gio",
    "_glib",
    "_unix",
    "_threads",
    "__init__",
    "_libev",
    "gevent",
    "_aioselect",
    "_aioloop",
    "asyncio",
    "mypy",
]
# A task can be awaited without anybody having imported the neighbour that knows how.
LATE = {("_task", "asyncio")}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in modules:
            package, _, name = module.partition(".")
            if package == "gleenlet":
                names.add(name.partition(".")[0] or "__init__")
    return {name for name in names if name in LAYERS}


@pytest.mark.parametrize("path", sorted(SOURCE.glob("*.py")), ids=lambda path: path.stem)
def test_imports_go_down(path: Path) -> None:
    assert path.stem in LAYERS, f"{path.name} has no place in the order of layers"
    place = LAYERS.index(path.stem)
    private = {name for name in imported(path) if name != "__init__" or place < LAYERS.index("__init__")}
    wrong = {
        name for name in private if LAYERS.index(name) >= place and name != "__init__" and (path.stem, name) not in LATE
    }
    assert not wrong, f"{path.name} imports {sorted(wrong)}, which stand below it"


def test_no_file_is_too_long() -> None:
    long = {path.name: n for path in SOURCE.glob("*.py") if (n := path.read_text().count("\n")) > 650}
    assert not long

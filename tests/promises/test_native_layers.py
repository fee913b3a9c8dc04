"""No C file calls, by name, into one that calls back into it: each extension has an order to read its files in."""

from __future__ import annotations

import graphlib
import re
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "src" / "native"

NO_CODE = re.compile(
    r"""/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|^\#.*?(?<!\\)$|(?:->|\.)\s*\w+|__attribute__\(\(.*?\)\)\s*""",
    re.DOTALL | re.MULTILINE,
)
FUNCTION = re.compile(r"^(?!static|typedef|[\s}])[^;{}=]*?\b(\w+)\((?:[^;{}()]|\([^()]*\))*\) \{", re.MULTILINE)
OBJECTS = re.compile(
    r"^(?!static|typedef|extern|return|[\s}])(?:const )?\w[\w ]*?[ *]+(\w+(?:\[\])?(?:, \**\w+)*) ?[=;]", re.MULTILINE
)


def uses(folder: str) -> dict[str, set[str]]:
    """Which other files of a folder each one names something of."""
    code = {path.name: NO_CODE.sub("", path.read_text()) for path in (NATIVE / folder).glob("*.c")}
    homes: dict[str, set[str]] = {}
    for file, text in code.items():
        for name in (*FUNCTION.findall(text), *re.findall(r"\w+", " ".join(OBJECTS.findall(text)))):
            homes.setdefault(name, set()).add(file)
    words = {file: set(re.findall(r"\w+", text)) for file, text in code.items()}
    return {
        file: {home for name in words[file] for home in homes.get(name, ()) if file not in homes[name]} for file in code
    }


@pytest.mark.skipif(not NATIVE.exists(), reason="no sources here")
@pytest.mark.parametrize("folder", sorted(path.name for path in NATIVE.glob("*/")))
def test_the_files_of_an_extension_stand_in_an_order(folder: str) -> None:
    graph = uses(folder)
    assert len(graph) == 1 or sum(map(len, graph.values())) > len(graph)  # it sees something
    order = list(graphlib.TopologicalSorter(graph).static_order())  # CycleError names a circle
    assert order[-1] == ("module.c" if len(graph) > 1 else f"{folder}.c")


def said_order(folder: str) -> list[str]:
    """The files in the order that the head of the folder's header gives, from below."""
    heads = [path.read_text().partition("Files, from below")[2] for path in (NATIVE / folder).glob("*.h")]
    return re.findall(r"\w+\.c\b", "".join(heads).partition("\n *\n")[0])


@pytest.mark.skipif(not NATIVE.exists(), reason="no sources here")
@pytest.mark.parametrize("folder", sorted({path.parent.name for path in NATIVE.glob("*/*.h")}))
def test_no_file_calls_into_a_later_one_of_those_that_the_head_lists(folder: str) -> None:
    said = said_order(folder)
    assert sorted(said) == sorted(path.name for path in (NATIVE / folder).glob("*.c"))
    later = {
        (file, other)
        for file, others in uses(folder).items()
        for other in others
        if said.index(other) > said.index(file)
    }
    assert later == set()


def test_a_circle_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.c").write_text("int one(void) {\n    return two(1);\n}\n")
    (tmp_path / "c" / "b.c").write_text("int two(int i) { /* one() */\n    return i;\n}\n")
    monkeypatch.setattr(f"{__name__}.NATIVE", tmp_path)
    assert uses("c") == {"a.c": {"b.c"}, "b.c": set()}
    (tmp_path / "c" / "b.c").write_text("int *a, *three;\n")
    (tmp_path / "c" / "a.c").write_text("int one(void) {\n    return *three;\n}\n")
    assert uses("c") == {"a.c": {"b.c"}, "b.c": set()}
    (tmp_path / "c" / "b.c").write_text("int *a, *three;\nint two(int i) {\n    return i ? i : one();\n}\n")
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(uses("c")).prepare()

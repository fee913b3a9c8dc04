"""The tests of a file are found: they bear its name in the same room, or the table of tests/README.md has them."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from child import ROOT, TESTS

SOURCES = ROOT / "src"
ROOMS = {"native/core": "core", "native/slabs": "core", "native/libev": "gevent", "native/gvariant": "dbus"}
TABLE = {
    file: re.findall(r"`([^`]+)`", tests)
    for file, tests in re.findall(r"^\| `(.*?)` \| (.*) \|$", (TESTS / "README.md").read_text(), re.MULTILINE)
}


def files() -> list[str]:
    """All that have code of their own: no doors, no headers."""
    found = [str(path.relative_to(SOURCES / "gleenlet")) for path in (SOURCES / "gleenlet").glob("*/**/*.py")]
    found += [str(path.relative_to(SOURCES)) for path in SOURCES.glob("native/*/*.c")]
    return sorted(file for file in found if not Path(file).stem.startswith("__"))


def by_name(file: str) -> bool:
    """Whether tests of the same room have the file's name among their words, or theirs in it."""
    folder = str(Path(file).parent)
    room, name = ROOMS.get(folder, folder.partition("/")[0].strip("_")), Path(file).stem.strip("_")
    tests = [path.stem.removeprefix("test_").removeprefix(f"{room}_") for path in (TESTS / room).glob("test_*.py")]
    return any(words in name or name in words for words in tests)


def rows_of(file: str) -> list[str]:
    return [row for row in TABLE if fnmatch.fnmatch(file, row)]


def test_the_tests_of_each_file_are_found() -> None:
    lost = [file for file in files() if not by_name(file) and not rows_of(file)]
    assert lost == [], "name their tests after them, or add them to tests/README.md"


def test_the_table_names_files_and_tests_that_there_are() -> None:
    assert set(TABLE) == {row for file in files() for row in rows_of(file)}
    assert [test for tests in TABLE.values() for test in tests if not (TESTS / test).exists()] == []

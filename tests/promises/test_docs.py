"""The programs in docs/ that have their output below them run and print it; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from child import ROOT, matches, run_script

PAGES = [
    ROOT / "docs" / name
    for name in (
        "howto/asyncio.md",
        "howto/dbus.md",
        "howto/ending.md",
        "howto/errors.md",
        "howto/gstreamer.md",
        "howto/testing.md",
        "howto/threads-and-processes.md",
        "reference/platforms.md",
    )
]
PAGES.append(ROOT / "CONTRIBUTING.md")
PROGRAM = re.compile(r"^```python\n(.*?)^```$\n\n^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs() -> list[object]:
    return [
        pytest.param(*match.groups(), id=f"{page.stem}-{i}")
        for page in PAGES
        for i, match in enumerate(PROGRAM.finditer(page.read_text()))
    ]


@pytest.mark.parametrize(("code", "output"), programs())
def test_program_in_the_docs_prints_what_stands_below_it(code: str, output: str) -> None:
    outcome = run_script(code, bus="BusType" in code)
    assert outcome.status == 0, outcome.stderr
    assert matches(" ".join(output.split()), " ".join(outcome.stdout.split())), outcome.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_is_such_a_program(page: Path) -> None:
    text = page.read_text()
    assert text.count("```python") == len(PROGRAM.findall(text)) > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []

"""The README's programs run and print what stands below them, in both languages; its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from child import ROOT, matches, run_script

EXPLANATIONS = ROOT / "docs" / "explanations"
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)

# A program with a window ends when somebody closes it: here its button is pressed, and it is closed.
PRESS_AND_CLOSE = """
def press_and_close():
    while not app.get_active_window():
        gleenlet.sleep(0.01)
    button = app.get_active_window().get_child()
    before = button.get_label()
    button.emit("clicked")
    while button.get_label() == before:
        gleenlet.sleep(0.01)
    print(button.get_label())
    app.quit()

gleenlet.spawn(press_and_close)
"""


def blocks() -> list[object]:
    return [
        pytest.param(*match.groups(), id=f"{path.stem}-{i}")
        for path in READMES
        for i, match in enumerate(BLOCK.finditer(path.read_text()))
    ]


@pytest.mark.parametrize(("code", "output"), blocks())
def test_program_in_the_readme_runs(code: str, output: str | None) -> None:
    window = "Gtk" in code
    if window:
        code, output = code.replace("app.run()", f"{PRESS_AND_CLOSE}\napp.run()"), "3"
    outcome = run_script(code, display=window)
    assert outcome.status == 0, outcome.stderr
    assert matches(output or "", outcome.stdout), outcome.stdout


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_every_public_name_is_in_the_readme(path: Path) -> None:
    named = set(re.findall(r"`(\w+)`", path.read_text()))
    package = ROOT / "src" / "gleenlet"
    for door in [package / "__init__.py", *package.glob("[a-z]*/__init__.py")]:
        public = re.search(r"^__all__(?:: list\[str\])? = (\[.*?\])", door.read_text(), re.MULTILINE | re.DOTALL)
        assert set(re.findall(r'"(\w+)"', public[1] if public else "")) - named == set(), door


def test_both_readmes_show_the_same_programs() -> None:
    english, chinese = (
        [re.sub(r"\s*#.*", "", code) for code, _ in BLOCK.findall(path.read_text())] for path in READMES
    )
    assert english == chinese
    assert len(english) == 5


@pytest.mark.parametrize("path", [*READMES, *EXPLANATIONS.glob("why-it-crashes*.md")], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_drawings_are_what_the_script_draws(tmp_path: Path) -> None:
    assert run_script(EXPLANATIONS / "make_stack_svg.py", str(tmp_path)).status == 0
    drawn = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert len(drawn) == 6
    assert drawn == {path.name: path.read_text() for path in EXPLANATIONS.glob("stack-*.svg")}

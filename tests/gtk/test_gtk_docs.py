"""Every program in docs/howto/gtk.md runs in a real window, does what the text says, and leaves nothing behind."""

from __future__ import annotations

import ast
import io
import re
import shutil
import tokenize
from pathlib import Path

import pytest

from child import ROOT, run_script, with_helpers
from complaints import complaints, is_gtks_own

USER = Path(__file__).parent / "programs" / "page.py"
GTK4 = {"GLEENLET_TEST_TOOLKIT": "gtk4"}  # is what the page is about
PAGE = (ROOT / "docs" / "howto" / "gtk.md").read_text()
PROGRAM = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
PROGRAMS = PROGRAM.findall(PAGE)
SHOWN, _, AROUND = re.fullmatch(r"(.*?)(class Window.*?)(class App.*)", PROGRAMS[0][0], re.DOTALL).groups()  # type: ignore[union-attr]

# By the window's title: what is to be seen in it, or in a dialog of its, after each of its buttons was pressed.
SEEN = {
    "gleenlet": "3",
    "Reader": r"\d+ bytes",
    "Clock": r"\d\d:\d\d:\d\d",
    "Counter": "stopped",
    "Copy": "Copy",
    "Search": "banana",
    "Notes": r"They cannot be brought back\.",
    "Viewer": "Text",
    "Frame rate": r"\d+ frames a second",
    "Banner": "Nothing to save",
    "With callbacks": ".*=.*",
    "With a thread": ".*=.*",
    "With gleenlet": ".*=.*",
    "Names": "apple\npear",
    "Frank reader": "The file was not read",
    "Quiet reader": "Not read: .*",
    "Primes": "669 primes",
}


def title(block: str) -> str:
    return re.search(r'title="(.*?)"', block)[1] if "title=" in block else ""  # type: ignore[index]


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")
@pytest.mark.parametrize(("block", "output"), PROGRAMS, ids=title)
def test_program_in_the_page_runs_and_leaves_nothing(block: str, output: str) -> None:
    program = block if block.startswith("import gi\n") else SHOWN + block
    if not output and "app.run()" not in block:
        program += AROUND
    name = title(block)
    program = program.replace("app.run()\n", "used(app)\n")
    outcome = run_script(USER, program, SEEN.get(name, ""), display=True, env=with_helpers() | GTK4)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == (output or "ok\n"), outcome.stderr
    assert complaints(outcome.stderr) == []
    if name != "Frank reader":  # its failure is reported as well
        assert [line for line in outcome.stderr.splitlines() if line and not is_gtks_own(line)] == []


def test_the_page_has_a_program_for_each_window_that_is_looked_at() -> None:
    assert set(SEEN) <= {title(block) for block, _ in PROGRAMS}


# ---- the gallery ----

GALLERY = ROOT / "examples" / "gallery"
ROW = re.compile(r"^\| \[.*?\]\(../../examples/gallery/(\w+)\.py\) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


def lines_of(source: str) -> tuple[int, int]:
    """How many lines of code a program has without its window, and with it."""
    no_code = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in no_code:
            code.update(range(token.start[0], token.end[0] + 1))
    tree = ast.parse(source)
    docstring, window = tree.body[0], set[int]()
    code.difference_update(lines(docstring))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            window.update(lines(node))
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.Expr) and re.match(r"app\b", ast.unparse(node)):
            window.update(lines(node))
    return len(code - window), len(code)


def lines(node: ast.stmt) -> range:
    assert node.end_lineno is not None
    return range(node.lineno, node.end_lineno + 1)


def test_the_gallerys_table_counts_lines_as_they_are() -> None:
    table = {name: (int(ours), int(whole)) for name, _callbacks, ours, whole in ROW.findall(PAGE)}
    assert table == {path.stem: lines_of(path.read_text()) for path in GALLERY.glob("*.py")}
    assert len(table) == 12

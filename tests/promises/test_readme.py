"""The README's programs run and print what stands below them, in both languages; its links lead somewhere."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from child import ROOT, matches, run_script

EXPLANATIONS = ROOT / "docs" / "explanations"
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
PROGRAMS = [(code, output) for code, output in BLOCK.findall(READMES[0].read_text())]
HANDLERS = [code for code, _ in PROGRAMS if "def on_clicked" in code]

# A handler alone: what it leaves out is the same for all three of them.
AROUND = """
import asyncio

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GLib, Gtk

import gleenlet
from gleenlet import call
from gleenlet.gtk import busy, handler

tasks = set()
file = Gio.File.new_for_path("README.md")

{handler}

def activate(app):
    button = Gtk.Button(label="Read")
    button.connect("clicked", on_clicked)
    Gtk.ApplicationWindow(application=app, child=button).present()


app = Gtk.Application()
app.connect("activate", activate)
if "asyncio.create_task" in {handler!r}:
    from gi.events import GLibEventLoopPolicy

    asyncio.set_event_loop_policy(GLibEventLoopPolicy())
app.run()
"""

# A program with a window ends when somebody closes it: here its button is pressed, and it is closed.
PRESS_AND_CLOSE = """
def press_and_close():
    while not app.get_active_window():
        gleenlet.sleep(0.01)
    button, labels = app.get_active_window().get_child(), []
    button.connect("notify::label", lambda *_: labels.append(button.get_label()))
    button.emit("clicked")
    while not labels or not button.get_sensitive():
        gleenlet.sleep(0.01)
    print(labels[0])
    app.quit()

gleenlet.spawn(press_and_close)
"""


@pytest.mark.parametrize(("code", "output"), PROGRAMS)
def test_program_in_the_readme_runs(code: str, output: str) -> None:
    if code in HANDLERS:
        if "asyncio" in code:
            pytest.importorskip("gi.events", reason="PyGObject 3.50 is needed")
        code, output = AROUND.format(handler=code), f"{READMES[0].stat().st_size} bytes"
    elif "Gtk" in code:
        output = "3"
    if "def count(" in code:  # in order whatever the machine does meanwhile
        code = f"from gleenlet.testing import virtual_time\nwith virtual_time():\n{textwrap.indent(code, '    ')}"
    window = "Gtk" in code
    outcome = run_script(code.replace("app.run()", f"{PRESS_AND_CLOSE}\napp.run()"), display=window, covered=False)
    assert outcome.status == 0, outcome.stderr
    assert matches(output, outcome.stdout), outcome.stdout


def test_the_first_screen_shows_one_handler_three_times() -> None:
    assert len(HANDLERS) == 3
    assert PROGRAMS[:3] == [(code, "") for code in HANDLERS]
    assert READMES[0].read_text().index("With gleenlet:") < READMES[0].read_text().index("## ")


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_every_public_name_is_in_the_readme(path: Path) -> None:
    named = set(re.findall(r"`(\w+)`", path.read_text()))
    package = ROOT / "src" / "gleenlet"
    for door in [package / "__init__.py", *package.glob("[a-z]*/__init__.py")]:
        public = re.search(r"^__all__(?:: list\[str\])? = (\[.*?\])", door.read_text(), re.MULTILINE | re.DOTALL)
        assert set(re.findall(r'"(\w+)"', public[1] if public else "")) - named == set(), door


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_drawings_are_what_the_script_draws(tmp_path: Path) -> None:
    assert run_script(EXPLANATIONS / "make_stack_svg.py", str(tmp_path), covered=False).status == 0
    drawn = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert len(drawn) == 6
    assert drawn == {path.name: path.read_text() for path in EXPLANATIONS.glob("stack-*.svg")}

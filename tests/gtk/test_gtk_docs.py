"""Every program in docs/gtk.md runs in a real window, does what the text says, and leaves nothing when it is closed."""

from __future__ import annotations

import re
import shutil

import pytest

from child import ROOT, run_script

PAGE = (ROOT / "docs" / "gtk.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHOWN, WINDOW, AROUND = re.fullmatch(r"(.*?)(class Window.*?)(class App.*)", BLOCKS[0], re.DOTALL).groups()  # type: ignore[union-attr]

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
    "Quiet reader": "Not read: .*",
}

DRIVE = """
import gc, re, sys, weakref
import gleenlet
from gi.repository import GLib

def inside(widget):
    yield widget
    child = widget.get_first_child()
    while child:
        yield from inside(child)
        child = child.get_next_sibling()

def texts():
    windows = list(Gtk.Window.get_toplevels())
    return [label.get_text() for window in windows for label in inside(window) if isinstance(label, Gtk.Label)]

def drive():
    while not app.get_active_window():
        gleenlet.sleep(0.01)
    window = app.get_active_window()
    for widget in list(inside(window)):
        if isinstance(widget, Gtk.Button):
            widget.emit("clicked")
        elif isinstance(widget, Gtk.SearchEntry):
            widget.set_text("ban")
        gleenlet.sleep(0)
    while seen and not any(re.fullmatch(seen, text) for text in texts()):
        gleenlet.sleep(0.01)
    for other in list(Gtk.Window.get_toplevels()):
        other.close()
    windows.append(weakref.ref(window))

seen, windows = sys.argv[1], []
gleenlet.spawn(drive)
app.run()
while GLib.MainContext.default().iteration(False):
    pass
gc.collect()
assert not gleenlet.get_hub().tasks(), gleenlet.get_hub().tasks()
assert windows[0]() is None, gc.get_referrers(windows[0]())
print("ok")
"""


def title(block: str) -> str:
    return re.search(r'title="(.*?)"', block)[1]  # type: ignore[index]


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")
@pytest.mark.parametrize("block", BLOCKS, ids=title)
def test_program_in_the_page_runs_and_leaves_nothing(block: str) -> None:
    parts = [block] if "import gi" in block else [SHOWN, block] if "app.run" in block else [SHOWN, block, AROUND]
    program = "\n".join(parts).replace("app.run()\n", DRIVE)
    outcome = run_script(program, SEEN.get(title(block), ""), display=True, env={"G_DEBUG": "fatal-warnings"})
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == "ok\n", outcome.stderr
    if title(block) != "Frank reader":  # its failure is reported as well
        assert outcome.stderr == ""


def test_the_page_has_a_program_for_each_window_that_is_looked_at() -> None:
    assert set(SEEN) <= {title(block) for block in BLOCKS}

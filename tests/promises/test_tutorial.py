"""Each step of the tutorial is run as it stands: the windows are used as the text says, the tests pass."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from child import ROOT, run_script, uncovered

PAGE = (ROOT / "docs" / "tutorial" / "index.md").read_text()
SERVER, *STEPS, TESTS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")

# What a user does: presses Fetch, and in the later steps Stop, a dialog's button, and closes the window in the middle.
USE = """
import gleenlet
from gleenlet import run, sleep, wait_property, spawn

def labels():
    for toplevel in Gtk.Window.get_toplevels():
        for widget in inside(toplevel):
            if isinstance(widget, Gtk.Button):
                yield widget.get_label(), widget

def inside(widget):
    yield widget
    child = widget.get_first_child()
    while child:
        yield from inside(child)
        child = child.get_next_sibling()

def press(label):
    while label not in dict(labels()):
        sleep(0.01)
    dict(labels())[label].emit("clicked")

def use():
    while not app.get_active_window():
        sleep(0.01)
    window = app.get_active_window()
    press("Fetch")
    print(wait_property(window.status, "label", lambda label: "bytes" in label))
    if "on_stop" in vars(Window):
        if "ask" in globals():
            press("Fetch")
            press("_Replace")
        else:
            press("Fetch")
        wait_property(window.status, "label", lambda label: label == "fetching")
        press("Stop")
        print(wait_property(window.status, "label", lambda label: label != "fetching"))
        press("Fetch")
    window.close()

user = spawn(use)
app.run()
user.result()
print(gleenlet.get_hub().tasks())
"""
AFTER = {4: "stopped\n", 5: "stopped\n"}


@pytest.fixture
def address() -> Iterator[str]:
    """The tutorial's server, in a hurry."""
    scope: dict[str, Any] = {"__name__": "server"}
    exec(SERVER, scope)
    scope["Slow"].pause = 0.002
    scope["Slow"].log_message = lambda *args: None
    http = ThreadingHTTPServer(("127.0.0.1", 0), scope["Slow"])
    threading.Thread(target=http.serve_forever).start()
    yield f"http://127.0.0.1:{http.server_port}/"
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_a_step_does_what_the_text_says(number: int, address: str, tmp_path: Path) -> None:
    step = STEPS[number - 1].replace("http://127.0.0.1:8000/", address)
    step = step.replace('Path("fetched.bin")', f"Path({str(tmp_path)!r}, 'fetched.bin')")
    assert address in step
    program = step.replace("    app.run()\n", "\n") + USE
    outcome = run_script(program, display=True, env={"G_DEBUG": "fatal-warnings"}, covered=False)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == f"5,000,000 bytes\n{AFTER.get(number, '')}[]\n", outcome.stderr


def test_the_tutorials_own_tests_pass(tmp_path: Path) -> None:
    for name, text in (("server.py", SERVER), ("fetch.py", STEPS[-1]), ("test_fetch.py", TESTS)):
        (tmp_path / name).write_text(text)
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={key: value for key, value in uncovered().items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")},
        capture_output=True,
        text=True,
    )
    assert "4 passed" in outcome.stdout, outcome.stdout + outcome.stderr
    assert outcome.returncode == 0


def test_the_tutorial_has_as_many_steps_as_it_says() -> None:
    assert len(STEPS) == len(re.findall(r"^## Step \d", PAGE, re.MULTILINE)) - 1

"""Every block of Python in the documentation is run, and links lead somewhere.

Programs print what stands below them, fragments work in the surroundings that their page tells of. Not here:
docs/howto/gtk.md (tests/gtk/test_gtk_docs.py), the tutorial (test_tutorial.py), the README (test_readme.py).
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from child import ROOT, matches, run_script

DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if "upstream" not in page.parts]
PAGES.append(ROOT / "CONTRIBUTING.md")
RUN_ELSEWHERE = {DOCS / "howto" / "gtk.md", DOCS / "tutorial" / "index.md"}
BLOCK = re.compile(r"^```python\n((?:(?!```).*\n)*)```$(?:\n\n^```text\n((?:(?!```).*\n)*)```$)?", re.MULTILINE)

# Fragments: what is around each, by its first words. What is in front runs first, then the fragment as a task.
START = """
import builtins
import sys
import tempfile

import gi

gi.require_version("Gst", "1.0")
gi.require_version("Soup", "3.0")
from gi.repository import Gio, GLib, GObject, Gst, Soup
from gleenlet import *

Gst.init(None)


class Button(GObject.Object):
    clicked = GObject.Signal()


class Player(GObject.Object):
    state = GObject.Property(type=int)


class State:
    PLAYING = 4


def soon(func, *args):  # once the fragment waits
    def later():
        while not any(task.name.startswith("fragment") and task.waiter for task in get_hub().tasks()):
            sleep(0.001)
        func(*args)

    spawn(later)


file = Gio.File.new_for_path(tempfile.mkstemp()[1])
monitor = file.monitor(Gio.FileMonitorFlags.NONE, None)
button, player, bus = Button(), Player(), Gst.Bus()
app = Gio.Application()
app.connect("activate", lambda app: print("activated"))


def fragment():
    with move_on_after(None) as limit:
        def print(*words):
            builtins.print(*words)
            if {last} in words:  # of a fragment that has no end
                limit.reschedule(0)

        {fragment}
    builtins.print("went on")

"""
POST_EOS = "bus.add_signal_watch(); soon(bus.post, Gst.Message.new_eos(None))"
LAST = {"with signals(monitor": "created", "with signals((monitor": "clicked"}
CHANGE = 'soon(lambda: file.replace_contents(b"x", None, False, 0, None))'
SERVER = """
import threading, http.server as web

server = web.HTTPServer(("127.0.0.1", 0), web.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
message = Soup.Message.new("GET", f"http://127.0.0.1:{server.server_port}/LICENSE")
session = Soup.Session()
name = interface = "org.freedesktop.DBus"
path = "/org/freedesktop/DBus"
"""
STREAM = """
data = GLib.Bytes.new(b"one")
flags = Gio.FileCreateFlags.NONE
stream = Gio.DataInputStream.new(Gio.MemoryInputStream.new_from_data(b"line", None))
"""
AROUND: dict[str, tuple[str, str]] = {
    "(message,) = wait_signal": (POST_EOS, "went on"),
    "which, (message,) = wait_any_signal": (POST_EOS, "went on"),
    "with signals(monitor": (CHANGE, "...created\n...went on"),
    "with signals((monitor": ('soon(button.emit, "clicked")', "clicked ()\nwent on"),
    "wait_property(player": ("soon(player.set_property, 'state', 4)", "went on"),
    "info = call(": (SERVER, "went on"),
    "call(file.replace_contents_bytes_async": (STREAM, "went on"),
    "with cooperative_loops()": ("", "activated\nwent on"),
    "status = run_outside(app.run": ("sys.argv = ['app']", "activated\nwent on"),
    "from gevent import monkey": ("", "activated"),
    "main_greenlet = getcurrent()": ("", "0"),
}


# What happens at which time is the text of these pages: their programs are run on a clock that jumps, so that a machine
# that stops now and then changes nothing.
ON_A_CLOCK_THAT_JUMPS = {"cancellation", "lifetimes", "scheduling", "what-may-block", "tasks-and-groups", "errors"}
JUMPS = """
import runpy
import sys
from gleenlet.testing import virtual_time

with virtual_time():
    runpy.run_path(sys.argv[1], run_name="__main__")
"""
# And these say how long something took, which was at least so long.
SPAN = re.compile(r"\d\.\d s\b")
LATE = {"debugging"}


def blocks(programs: bool) -> list[object]:
    """The blocks that have their output below them, with their page's name, or the others."""
    return [
        pytest.param(*[*match.groups(), page.stem] if programs else [match[1]], id=f"{page.stem}-{i}")
        for page in PAGES
        if page not in RUN_ELSEWHERE
        for i, match in enumerate(BLOCK.finditer(page.read_text()))
        if bool(match[2]) == programs
    ]


@pytest.mark.parametrize(("code", "output", "page"), blocks(programs=True))
def test_program_in_the_docs_prints_what_stands_below_it(code: str, output: str, page: str, tmp_path: Path) -> None:
    if "gevent" in code:
        pytest.importorskip("gevent")
    if "import trio" in code:
        pytest.importorskip("trio")
    program = tmp_path / "program.py"
    program.write_text(code.replace("    time.sleep(0.3)\n", "    while not stalls: time.sleep(0.001)  # as long\n"))
    if page in ON_A_CLOCK_THAT_JUMPS:
        outcome = run_script(JUMPS, str(program), covered=False)
    else:
        outcome = run_script(program, bus="BusType" in code, covered=False)
    if page in LATE:
        output = SPAN.sub("... s", output)
    assert outcome.status == 0, outcome.stderr
    assert matches(" ".join(output.split()), " ".join(outcome.stdout.split())), outcome.stdout


@pytest.mark.parametrize("code", blocks(programs=False))
def test_fragment_in_the_docs_works_in_its_surroundings(code: str) -> None:
    before, says = next((around for begin, around in AROUND.items() if code.startswith(begin)), ("", ""))
    if not says:  # a program that prints nothing
        outcome = run_script(code, covered=False)
        assert outcome.status == 0, outcome.stderr
    elif code.startswith("main_greenlet"):  # the famous program: it dies
        outcome = run_script(f"from gi.repository import GLib\nfrom greenlet import getcurrent, greenlet\n\n{code}")
        assert outcome.signal == signal.SIGSEGV
    elif code.startswith("from gevent"):
        pytest.importorskip("gevent")
        outcome = run_script(f"{code.partition('import gleenlet')[0]}{START.partition('def fragment')[0]}\n{code}")
    else:
        last = next((word for begin, word in LAST.items() if code.startswith(begin)), None)
        program = START.replace("{last}", repr(last)).replace("{fragment}", code.replace("\n", "\n        "))
        outcome = run_script(f"{program}\n{before}\nrun(fragment)", bus="BusType" in code, covered=False)
    assert matches(says, outcome.stdout), outcome.stdout + outcome.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_and_tests_that_a_page_names_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    files = re.findall(r"`((?:tests|bench|scripts|examples|docs)/[\w/*.-]+)`", text)
    assert [name for name in files if not list(ROOT.glob(name))] == []
    if page.name == "asyncio-differences.md":  # these are CPython's
        return
    tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w{12,})`", text) if f"def {name}(" not in tests] == []


def test_it_would_see_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("[there](nowhere.md)")
    with pytest.raises(AssertionError):
        test_links_lead_somewhere(tmp_path / "page.md")

"""The pytest plugin, each time in a pytest of its own."""

from __future__ import annotations

import re
import textwrap
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import gi
import pytest

from child import Outcome, run_script

RUN = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"


def run_pytest(folder: Path, code: str, *args: str, ini: str = "") -> Outcome:
    (folder / "test_it.py").write_text(textwrap.dedent(code))
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    options = "-p", "pytest_gleenlet", "-p", "no:cacheprovider", "-ra", f"--rootdir={folder}"
    return run_script(RUN, *options, str(folder), *args, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})


def test_pytest_finds_it_by_itself() -> None:
    assert "pytest_gleenlet" in {entry.value for entry in entry_points(group="pytest11")}


def counts(outcome: Outcome) -> dict[str, int]:
    return {word.rstrip("s"): int(n) for n, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last(outcome))}


def last(outcome: Outcome) -> str:
    return outcome.stdout.strip().splitlines()[-1] if outcome.stdout.strip() else outcome.stderr


TASKS = """
import asyncio, pytest
from gleenlet import Event, current_task, sleep, spawn
from hypothesis import given, settings, strategies as st

seen = []

@pytest.fixture(scope="module")
def waiting():
    sleep(0.001)
    yield spawn(lambda: 7).result()
    sleep(0.001)

def test_is_a_task(waiting):
    assert waiting == 7
    assert (current_task() is not None) is AUTO

@pytest.mark.gleenlet
def test_marked():
    assert current_task() is not None

@given(st.integers())
@settings(max_examples=5, database=None)
def test_examples(n):
    assert (current_task() is not None) is AUTO
    assert current_task() not in seen or not AUTO
    seen.append(current_task())
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_tests_run_as_tasks_where_asked_for(mode: str, tmp_path: Path) -> None:
    code = TASKS.replace("AUTO", str(mode == "auto"))
    outcome = run_pytest(tmp_path, code, ini=f"gleenlet_mode = {mode}")
    assert counts(outcome) == {"passed": 3}, outcome.stdout


OTHERS = """
import pytest, signal, threading
from gleenlet import Event, current_task, sleep, to_thread
from hypothesis import given, settings, strategies as st

@pytest.fixture(scope="module")
def waiting():
    sleep(0.001)
    yield to_thread(int, "7")
    sleep(0.001)

def helper(n):
    sleep(0)
    if n > 5:
        return "large"
    return "small"

@pytest.mark.parametrize("n", range(8))
def test_in_processes(n, waiting):
    assert waiting == 7 and current_task() is not None
    assert helper(n) == ("large" if n > 5 else "small")

@pytest.mark.timeout(600, method="signal")
def test_stopped():
    signal.setitimer(signal.ITIMER_REAL, 0.05)  # as if that time were almost over
    Event().wait()

@given(st.lists(st.integers()))
@settings(max_examples=5, database=None)
def test_after_it(numbers):
    sleep(0)
    assert current_task() is not None
"""


@pytest.mark.skipif(
    any(find_spec(name) is None for name in ("xdist", "pytest_timeout", "pytest_cov")),
    reason="pytest-xdist, pytest-timeout and pytest-cov are not all installed",
)
def test_it_works_with_other_plugins(tmp_path: Path) -> None:
    """Several processes, a limit that interrupts a task's wait, and coverage that knows greenlets; all in one run."""
    # Its data file is its own: what our own run under coverage has written so far would be combined, and gone.
    settings = f"concurrency = greenlet\nsource = .\nbranch = true\ncore = ctrace\ndata_file = {tmp_path}/.coverage\n"
    (tmp_path / ".coveragerc").write_text(f"[run]\n{settings}")
    plugins = [f"-p{name}" for name in ("xdist.plugin", "pytest_timeout", "pytest_cov.plugin")]
    outcome = run_pytest(
        tmp_path,
        OTHERS,
        *plugins,
        "-n1",
        "--timeout=600",
        f"--cov={tmp_path}",
        f"--cov-config={tmp_path}/.coveragerc",
        "--cov-branch",
        "--cov-report=term-missing",
        "--gleenlet-mode=auto",
    )
    assert counts(outcome) == {"passed": 9, "failed": 1}, outcome.stdout + outcome.stderr
    assert re.search(r"Timeout \(?>600.0s", outcome.stdout), outcome.stdout  # as each version of pytest-timeout has it
    assert re.search(r"test_it\.py .* 100%", outcome.stdout), outcome.stdout


def test_a_time_limit_shows_the_tasks_and_the_fixtures_work(tmp_path: Path) -> None:
    code = """
    import pytest
    from gleenlet import Event, sleep, spawn
    from gleenlet.testing import explore

    @pytest.mark.gleenlet(timeout=0.05)
    def test_hangs():
        Event().wait()

    @pytest.mark.gleenlet(timeout=600)
    def test_is_in_time(virtual_time, no_leaks):
        sleep(3600)
        assert virtual_time.elapsed == 3600

    def test_leaves(no_leaks):
        global task
        task = spawn(sleep, 60, name="left")

    @explore(runs=3)
    def test_explored():
        sleep(1)

    async def test_coroutine():
        pass

    def test_bus(session_bus):
        from gi.repository import Gio
        from gleenlet import call
        bus = call(Gio.bus_get, Gio.BusType.SESSION)
        assert bus.get_unique_name()
    """
    outcome = run_pytest(tmp_path, code, "--gleenlet-mode=auto", "--gleenlet-timeout=600")
    assert "not over after 0.05 real seconds" in outcome.stdout
    assert "waiting for Event.wait" in outcome.stdout
    assert "left over:" in outcome.stdout
    assert "<Task 'left' waiting for timer>" in outcome.stdout
    found = counts(outcome)
    assert (found["passed"], found["error"]) == (4, 1), outcome.stdout
    # pytest 8.4 has a coroutine fail where no plugin runs it, earlier ones skip it.
    assert found["failed"] + found.get("skipped", 0) == 2, outcome.stdout


WINDOW = """
import gi, pytest
gi.require_version("Gtk", "4.0")
from gleenlet import sleep

@pytest.fixture
def window(virtual_display):
    from gi.repository import Gtk
    window = Gtk.Window(child=Gtk.Box())
    window.entry, window.button, window.check = Gtk.Entry(text="b"), Gtk.Button(label="Go"), Gtk.CheckButton()
    for widget in (window.entry, window.button, window.check):
        window.get_child().append(widget)
    yield window
    window.destroy()

def test_window(window, click, type_text, screenshot, tmp_path):
    entry, button, check, log = window.entry, window.button, window.check, []
    button.connect("clicked", lambda _: log.append(entry.get_text()))
    for use in (lambda: click(button), lambda: type_text(entry, "x")):
        with pytest.raises(RuntimeError, match="not shown"):
            use()
    window.present()
    while not window.get_mapped():
        sleep(0.001)
    entry.set_position(0)
    type_text(entry, "äÄж1! a")
    click(button)
    click(check)
    assert log == ["äÄж1! ab"] and check.get_active()
    entry.set_sensitive(False)
    with pytest.raises(RuntimeError, match="insensitive"):
        type_text(entry, "x")
    with pytest.raises(RuntimeError, match="insensitive"):
        click(entry)
    MORE
"""

REAL_EVENTS = """
    from gi.repository import Gtk
    from gleenlet.testing._xtest import xtest_of
    assert xtest_of(entry)
    gesture, seen = Gtk.GestureClick(), []
    gesture.connect("pressed", lambda _gesture, times, x, y: seen.append(times))
    label = Gtk.Label(label="here")
    window.get_child().append(label)
    label.add_controller(gesture)
    click(label)
    click(label)
    assert seen == [1, 2]  # so soon after each other that it is a double click
    keys = Gtk.EventControllerKey()
    keys.connect("key-pressed", lambda _keys, key, *_: log.append(key))
    window.add_controller(keys)
    del log[:]
    type_text(button, "\\n\\x1b")
    assert log[-1] == 0xff1b
    assert "äÄж1! ab" in log  # Return clicks the button that has the focus
    overlay, cover = Gtk.Overlay(), Gtk.Label(label="over it")
    window.set_child(None)
    box = button.get_parent()
    overlay.set_child(box)
    overlay.add_overlay(cover)
    window.set_child(overlay)
    while not cover.get_width():
        sleep(0.001)
    with pytest.raises(RuntimeError, match="there is a Label"):
        click(button)
"""


@pytest.mark.skipif(find_spec("Xlib") is None, reason="python-xlib is not installed")
def test_a_window_is_used_by_real_events(tmp_path: Path) -> None:
    outcome = run_pytest(tmp_path, WINDOW.replace("MORE", REAL_EVENTS.strip()))
    assert counts(outcome) == {"passed": 1}, outcome.stdout + outcome.stderr
    assert "CRITICAL" not in outcome.stderr


@pytest.mark.skipif(gi.version_info < (3, 44), reason="PyGObject 3.42 knows no render nodes to draw")
def test_a_window_is_used_by_its_own_signals_where_there_are_no_others(tmp_path: Path) -> None:
    more = 'assert screenshot(window, tmp_path / "window.png").read_bytes()[1:4] == b"PNG"'
    hidden = "import sys\nsys.modules['Xlib'] = None\n"
    outcome = run_pytest(tmp_path, hidden + WINDOW.replace("MORE", more))
    assert counts(outcome) == {"passed": 1}, outcome.stdout + outcome.stderr
    assert "CRITICAL" not in outcome.stderr


def test_it_replays_a_schedule(tmp_path: Path) -> None:
    code = """
    from gleenlet import TaskGroup
    from gleenlet.testing import explore

    @explore(runs=50)
    def test_order():
        order = []
        with TaskGroup() as group:
            for name in "abc":
                group.spawn(order.append, name)
        assert order != ["b", "a", "c"]
    """
    outcome = run_pytest(tmp_path, code, "--gleenlet-replay", "t1")
    assert counts(outcome) == {"failed": 1}
    assert "found in run 1 (token t1)" in outcome.stdout
    assert "pytest --gleenlet-replay t1" in outcome.stdout


def test_it_does_nothing_where_gleenlet_is_not_used(tmp_path: Path) -> None:
    code = """
    import sys

    def test_not_loaded():
        assert not {name for name in sys.modules if name.partition(".")[0] in ("gleenlet", "gi")}
    """
    outcome = run_pytest(tmp_path, code)
    assert counts(outcome) == {"passed": 1}, outcome.stdout
    outcome = run_pytest(tmp_path, code, ini="gleenlet_mode = often")
    assert "gleenlet_mode must be auto or strict" in outcome.stdout + outcome.stderr


def test_a_missing_server_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code = """
    def test_display(virtual_display):
        pass

    def test_bus(session_bus):
        pass
    """
    outcome = run_pytest(tmp_path, code)
    assert counts(outcome) == {"skipped": 2}, outcome.stdout
    assert "Xvfb is not installed" in outcome.stdout

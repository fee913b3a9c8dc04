"""The pytest plugin, each time in a pytest of its own."""

from __future__ import annotations

import re
import textwrap
from importlib.metadata import entry_points
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


def test_a_time_limit_shows_the_tasks_and_the_fixtures_work(tmp_path: Path) -> None:
    code = """
    import pytest
    from gleenlet import Event, sleep, spawn
    from gleenlet.testing import explore

    @pytest.mark.gleenlet(timeout=0.05)
    def test_hangs():
        Event().wait()

    @pytest.mark.gleenlet(timeout=60)
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
    outcome = run_pytest(tmp_path, code, "--gleenlet-mode=auto", "--gleenlet-timeout=60")
    assert "not over after 0.05 real seconds" in outcome.stdout
    assert "waiting for Event.wait" in outcome.stdout
    assert "left over:" in outcome.stdout
    assert "<Task 'left' waiting for timer>" in outcome.stdout
    found = counts(outcome)
    assert (found["passed"], found["error"]) == (4, 1), outcome.stdout
    # pytest 8.4 has a coroutine fail where no plugin runs it, earlier ones skip it.
    assert found["failed"] + found.get("skipped", 0) == 2, outcome.stdout


@pytest.mark.skipif(gi.version_info < (3, 44), reason="PyGObject 3.42 knows no render nodes to draw")
def test_a_window_is_used_as_by_a_user(tmp_path: Path) -> None:
    code = """
    import gi, pytest
    gi.require_version("Gtk", "4.0")
    from gleenlet import sleep

    def test_window(virtual_display, click, type_text, screenshot, tmp_path):
        from gi.repository import Gtk
        log = []
        entry, button, check = Gtk.Entry(text="b"), Gtk.Button(label="Go"), Gtk.CheckButton()
        box = Gtk.Box()
        for widget in (entry, button, check):
            box.append(widget)
        button.connect("clicked", lambda _: log.append(entry.get_text()))
        window = Gtk.Window(child=box)
        with pytest.raises(RuntimeError, match="not shown"):
            click(button)
        window.present()
        while not window.get_mapped():
            sleep(0.001)
        entry.set_position(0)
        type_text(entry, "äa")
        click(button)
        click(check)
        assert log == ["äab"] and check.get_active()
        entry.set_sensitive(False)
        with pytest.raises(RuntimeError, match="insensitive"):
            type_text(entry, "x")
        assert screenshot(window, tmp_path / "window.png").read_bytes()[1:4] == b"PNG"
        window.destroy()
    """
    outcome = run_pytest(tmp_path, code)
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

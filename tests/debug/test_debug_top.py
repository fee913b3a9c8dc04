"""`top`: the busiest first, as lines or, in a terminal with rich, in place."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from gleenlet import run, sleep, spawn
from gleenlet.debug import _top as top
from gleenlet.debug import record, tasks
from gleenlet.debug._top import Shares, head, show, table
from inside import FOREVER

Tasks = list[dict[str, Any]]

PROGRAM = """
import sys
from gleenlet.debug._top import show
task = {"id": 7, "number": None, "name": "load\\x1b[2J", "state": "waiting", "since": 2.0, "waiting_on": "timer",
        "held_by": [], "stuck": True, "time_running": None}
show(lambda: [dict(task)], 0.01, 2, 5)
"""


def task(number: int | None, ran: float | None, **more: Any) -> dict[str, Any]:
    names = {"id": number or 0, "number": number, "name": f"task {number}", "state": "waiting", "since": 1.0}
    return names | {"waiting_on": "timer", "held_by": [], "stuck": False, "time_running": ran} | more


def test_the_busiest_are_first() -> None:
    shares = Shares()
    shares.count([task(1, 1.0), task(2, 1.0)], 10.0)
    now = [task(1, 1.5), task(2, 3.0), task(3, 0.1), task(None, None), task(4, None, state="ready")]
    shares.count(now, 12.0)
    assert [(one["number"], one["share"]) for one in now] == [(2, 1.0), (1, 0.25), (4, None), (3, None), (None, None)]
    assert table(now, 2).splitlines()[0].split() == [
        "ID",
        "NAME",
        "STATE",
        "SECONDS",
        "WAITS",
        "FOR",
        "HELD",
        "BY",
        "RUNS",
    ]
    assert [line.split()[-1] for line in table(now, 2).splitlines()[1:]] == ["100%", "25%"]
    assert head(now) == "5 tasks: 1 ready, 4 waiting"
    assert table([]).startswith("ID  NAME")


def test_who_is_held_by_several_and_who_is_stuck() -> None:
    line = table([task(1, None, held_by=[1, 9], stuck=True)]).splitlines()[1]
    assert "task 1 and 1 more" in line
    assert "waiting stuck" in line


def test_what_a_process_records_is_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        victim = spawn(sleep, FOREVER, name="sleeps")
        sleep(0)
        show(lambda: [one.as_json() for one in tasks()], 0.0, 2, 30)
        victim.cancel()

    with record():
        run(main)
    assert capsys.readouterr().out.count("sleeps") == 2


def in_a_terminal(*prepare: str) -> str:
    """What the program draws where its output is a terminal."""
    ours, its = pty.openpty()
    script = "\n".join([*prepare, PROGRAM])
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=its, stderr=its, env=os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    )
    os.close(its)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert child.wait() == 0, text.decode()
    return text.decode()


def test_in_a_terminal_it_is_drawn_in_place() -> None:
    pytest.importorskip("rich")
    text = in_a_terminal()
    assert "\x1b[?1049h" in text  # the other screen
    assert "\\x1b[2J" in text  # of the name: spelt out
    assert "1 tasks: 1 waiting" in text
    assert text.count("load") == 2


def test_without_rich_it_says_what_to_install() -> None:
    text = in_a_terminal("import sys; sys.modules['rich.live'] = None")
    assert 'pip install "gleenlet[cli]"' in text
    assert text.count("load") == 2


def test_the_drawing_is_of_rich() -> None:
    pytest.importorskip("rich")
    from rich.console import Console

    console = Console(width=140, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    found: Tasks = [task(1, 0.5), task(2, None, state="running")]
    console.print(top.coloured(found, 1))
    text = console.export_text()
    assert "task 1" in text
    assert "task 2" not in text
    assert top.in_place() is not None

"""A trace of a process from outside, with the command as users type it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from child import started
from gleenlet import GleenletError, run, sleep
from gleenlet.debug import _ask, _remote_trace, record
from gleenlet.debug._command import main
from gleenlet.debug._recording import newest
from gleenlet.debug._remote_trace import begin_trace, end_trace, forget
from inside import FOREVER

# It goes on until it is killed, and records from the start if it is told to.
PROGRAM = """
import sys
from gleenlet import debug, get_hub, run, sleep, spawn

def load():
    while True:
        sleep(0.001)

def main():
    task = spawn(load, name="load")
    sleep(0.01)
    print("ready", flush=True)
    task.join()

if len(sys.argv) > 1:
    recorder = debug.record()
run(main)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("FLATPAK_ID", raising=False)
    monkeypatch.setattr(_ask, "SECONDS", FOREVER)  # the machine may be slow


def test_a_process_is_recorded_for_some_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "app.json"
    with started(PROGRAM, debug="1") as (number, _):
        pid = str(number)
        assert main(["trace", pid, str(path)]) == 1
        assert "does not record: say for how many --seconds" in capsys.readouterr().err
        while "load" not in path.read_text():  # once, unless the machine stands still meanwhile
            assert main(["trace", pid, str(path), "--seconds", "0.2"]) == 0
        assert main(["trace", pid, str(path), "--seconds", "0"]) == 1
        assert "seconds must be above 0, and 3600 or less, not 0.0" in capsys.readouterr().err


def test_what_a_process_has_kept_is_had_at_once(tmp_path: Path) -> None:
    path = tmp_path / "app.pftrace"
    with started(PROGRAM, "record", debug="1") as (pid, _):
        assert main(["trace", str(pid), str(path)]) == 0
    assert b"load" in path.read_bytes()


def test_a_file_that_cannot_be_is_refused_before_anything_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", "1", str(tmp_path / "app.txt"), "--seconds", "1000"]) == 1
    assert "which says how it is written" in capsys.readouterr().err
    assert main(["trace", "1", str(tmp_path / "none" / "app.json"), "--seconds", "1000"]) == 1
    assert "No such file" in capsys.readouterr().err


def test_enough_before_the_seconds_are_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with started(PROGRAM, debug="1") as (pid, _):
        monkeypatch.setattr("time.sleep", interrupt)
        assert main(["trace", str(pid), str(tmp_path / "app.json"), "--seconds", "1000"]) == 0


def test_what_nobody_fetches_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    number = begin_trace({"seconds": 1000})["trace"]
    assert newest() is not None
    forget(number)
    forget(number)
    assert newest() is None
    with pytest.raises(GleenletError, match="let go of it"):
        end_trace({"trace": number, "file": "app.json"})

    monkeypatch.setattr(_remote_trace, "PATIENCE", 0.0)
    begin_trace({"seconds": 0.001})
    while newest() is not None:
        run(sleep, 0.001)


def test_what_did_not_fit_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with record(seconds=1e-6, megabytes=0.1):

        def busy() -> None:
            for _ in range(5000):
                sleep(0)

        run(busy)
        answer = end_trace({"file": "app.syscap"})
    assert answer["lost"] > 0
    assert base64.b64decode(answer["file"])
    monkeypatch.setattr("gleenlet.debug._command.ask", lambda *arguments, **details: answer)
    assert main(["trace", "1", str(tmp_path / "app.syscap")]) == 0
    assert f"{answer['lost']} events are missing" in capsys.readouterr().err

"""Looking into a process that did not listen: it is had to, from Python 3.14 on, and woken if its loop sleeps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from child import started
from gleenlet import GleenletError
from gleenlet.debug import _ask, _enter
from gleenlet.debug._command import main
from gleenlet.debug._enter import enter, polled, wake
from inside import FOREVER

remote_exec = pytest.mark.skipif(not hasattr(sys, "remote_exec"), reason="sys.remote_exec comes with Python 3.14")
no_remote_exec = pytest.mark.skipif(hasattr(sys, "remote_exec"), reason="this Python has sys.remote_exec")

LOOPS = {
    "driven": "gleenlet.run(work)",
    "GLib's": "gleenlet.spawn(work, name='work'); GLib.MainLoop().run()",
}
PROGRAM = """
from gi.repository import GLib
import gleenlet

def work():
    gleenlet.get_hub().call_soon(print, "ready")
    gleenlet.sleep(1e6)

"""
STUCK = "import gleenlet, time; print('ready', flush=True); time.sleep(1e6)"
OTHER = "import signal; print('ready', flush=True)\nwhile True: pass"
WOKEN = """
from gi.repository import GLib
import gleenlet
gleenlet.get_hub().call_soon(print, "ready")
context = GLib.MainContext.default()
for _ in range(3):
    while context.pending():
        context.iteration(False)
print("sleeps", flush=True)
context.iteration(True)
print("woken", flush=True)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("FLATPAK_ID", raising=False)
    for module in (_ask, _enter):  # the machine may be slow
        monkeypatch.setattr(module, "SECONDS", FOREVER)


def asleep(pid: int) -> None:
    while not polled(pid):
        time.sleep(0.001)


@remote_exec
@pytest.mark.parametrize("loop", LOOPS)
def test_a_process_that_sleeps_and_did_not_listen_is_asked(loop: str, capsys: pytest.CaptureFixture[str]) -> None:
    with started(PROGRAM + LOOPS[loop], debug="") as (pid, _):
        asleep(pid)
        assert main(["pstree", str(pid)]) == 0
        assert "work (<string>:" in capsys.readouterr().out
        assert main(["ps"]) == 0  # it listens from now on
        assert str(pid) in capsys.readouterr().out


@remote_exec
def test_a_process_that_is_none_of_ours_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with started(OTHER, debug="") as (pid, _):
        assert main(["ps", str(pid)]) == 1
    text = capsys.readouterr().err
    assert f"process {pid} does not listen" in text
    assert "it does not use gleenlet" in text


@remote_exec
def test_a_process_that_is_in_c_code_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_enter, "SECONDS", 0.1)
    with started(STUCK, debug="") as (pid, _):
        assert main(["ps", str(pid)]) == 1
    assert "its main thread is in C code" in capsys.readouterr().err


@no_remote_exec
def test_an_older_python_says_what_it_lacks() -> None:
    with pytest.raises(GleenletError, match=r"comes with Python 3\.14"):
        enter(os.getpid())


def test_a_context_that_sleeps_is_woken_from_outside() -> None:
    with started(WOKEN, debug="") as (pid, output):
        assert output.readline() == "sleeps\n"
        asleep(pid)
        wake(pid)
        assert output.readline() == "woken\n"


def test_who_does_not_poll_is_left_alone() -> None:
    with started(STUCK, debug="") as (pid, _):
        assert polled(pid) == []
        wake(pid)
        os.kill(pid, 0)
    with started(OTHER, debug="") as (pid, _):
        wake(pid)


OBEDIENT = """
import sys
print("ready", flush=True)
import gleenlet
exec(open(sys.stdin.readline().strip()).read(), {})
sys.stdin.readline()
"""


@pytest.fixture
def scripts() -> list[str]:
    """Those that it has been had to run."""
    return []


@pytest.fixture
def obedient(monkeypatch: pytest.MonkeyPatch, scripts: list[str]) -> Iterator[int]:
    """Where Python has no sys.remote_exec, a process that does by itself what it would be had to do."""
    with subprocess.Popen(
        [sys.executable, "-c", OBEDIENT],
        env=os.environ | {"GLEENLET_DEBUG": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"

        def execute(pid: int, script: str) -> None:
            assert pid == child.pid
            scripts.append(script)
            assert child.stdin is not None
            child.stdin.write(script + "\n")
            child.stdin.flush()

        monkeypatch.setattr(sys, "remote_exec", execute, raising=False)
        yield child.pid
        child.kill()


def test_a_process_that_was_entered_listens_from_then_on_and_the_script_is_gone(
    obedient: int, scripts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pstree", str(obedient)]) == 0
    assert capsys.readouterr().out == "no tasks\n"
    assert [Path(script).parent.exists() for script in scripts] == [False]
    assert main(["ps", str(obedient), "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert len(scripts) == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermissionError(), "needs the rights of a debugger"),
        (RuntimeError("Remote debugging is not enabled"), "Remote debugging is not enabled"),
    ],
)
def test_what_python_refuses_is_told(error: Exception, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_pid: int, _script: str) -> None:
        raise error

    monkeypatch.setattr(sys, "remote_exec", refuses, raising=False)
    with pytest.raises(GleenletError, match=text):
        enter(os.getpid())


def test_a_process_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "remote_exec", print, raising=False)
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    with pytest.raises(GleenletError, match="cannot be had to listen"):
        enter(child.pid)


def test_a_process_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "remote_exec", lambda pid, script: None, raising=False)
    monkeypatch.setattr(_enter, "SECONDS", 0.05)
    with started(STUCK, debug="") as (pid, _), pytest.raises(GleenletError, match="is in C code"):
        enter(pid)

"""Looking into a process from outside, with the commands as users type them."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from child import ROOT, started
from gleenlet import GleenletError, run, sleep, spawn
from gleenlet.debug import Listener, _ask, _folder, _listen, listen, start_as_asked
from gleenlet.debug._command import main
from inside import FOREVER

PROGRAM = """
import gleenlet

def work():
    gleenlet.sleep(1e6)

def main():
    with gleenlet.TaskGroup() as group:
        tasks = [group.spawn(work, name="load"), group.spawn(gleenlet.sleep, 1e6, name="save")]
        while not all(task.waiter for task in tasks):
            gleenlet.sleep(0)
        gleenlet.get_hub().call_soon(print, "ready")

gleenlet.run(main)
"""
# The main thread never comes back to the loop: it waits for a line.
STUCK = """
import gleenlet

def stuck():
    print("ready", flush=True)
    input()

gleenlet.run(stuck)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("FLATPAK_ID", raising=False)
    monkeypatch.setattr(_folder, "TEMPORARY", str(tmp_path / "tmp"))
    monkeypatch.setattr(_ask, "SECONDS", FOREVER)  # the machine may be slow
    return tmp_path


def command(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gleenlet", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def pid(folder: Path) -> Iterator[int]:
    with started(PROGRAM, debug="1") as (pid, _):
        yield pid


def test_python_m_gleenlet_shows_the_tasks_of_a_process(pid: int) -> None:
    assert "work (<string>:" in command("pstree", pid)


def test_the_commands_show_another_process(pid: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ps", str(pid)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATE", "SECONDS", "WAITS", "FOR", "HELD", "BY"]
    assert [line.split()[1:3] for line in lines[1:4]] == [
        ["main-1", "waiting"],
        ["load", "waiting"],
        ["save", "waiting"],
    ]
    assert lines[1].endswith("load and 1 more")

    assert main(["pstree", str(pid), "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2].partition(" waiting")[0], lines[3]) == ("4 tasks", "├─ 'load'", "... and 2 more")

    assert main(["where", str(pid), "load"]) == 0
    assert capsys.readouterr().out == "'load' waiting for timer\n    work (<string>:5)\n"

    assert main(["top", str(pid), "--times", "2", "--seconds", "0.01"]) == 0
    assert capsys.readouterr().out.count("4 tasks: 4 waiting\n") == 2

    assert main(["cancel", str(pid), "load"]) == 0
    assert capsys.readouterr().out == "cancelled 'load'\n"
    while main(["where", str(pid), "load"]) == 0:
        capsys.readouterr()
    assert f"process {pid} has no task 'load'" in capsys.readouterr().err
    assert main(["cancel", str(pid), "load"]) == 1


def test_without_a_process_those_that_listen_are_named(pid: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ps"]) == 0
    assert str(pid) in capsys.readouterr().out
    assert main(["ps", "--json"]) == 0
    programs = {program["pid"]: program for program in json.loads(capsys.readouterr().out)}  # others may listen, too
    assert programs[pid]["arguments"][1] == "-c"


def test_json_is_as_the_schema_says(pid: int, capsys: pytest.CaptureFixture[str]) -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    schema = json.loads((ROOT / "docs" / "reference" / "tasks.schema.json").read_text())
    validator.check_schema(schema)
    for arguments in (["ps", str(pid), "--json"], ["where", str(pid), "load", "--json"]):
        assert main(arguments) == 0
        tasks = json.loads(capsys.readouterr().out)
        validator(schema).validate(tasks)
        for task in tasks:
            assert set(task) == set(schema["items"]["properties"]) == set(schema["items"]["required"])
    assert not validator(schema).is_valid([tasks[0] | {"stuck": "no"}])


def test_a_process_that_is_stuck_answers(folder: Path) -> None:
    with started(STUCK, debug="1") as (pid, _):
        text = command("pstree", pid)
    assert "'stuck-1' running; stuck (<string>:6)" in text


@pytest.mark.parametrize("debug", ["", "0"])
def test_a_process_that_does_not_listen_says_how_to_have_it_listen(folder: Path, debug: str) -> None:
    with started(STUCK, debug=debug) as (pid, _):
        text = command("ps", pid)
    assert text.startswith(f"gleenlet: process {pid} does not listen")
    assert "GLEENLET_DEBUG=1" in text
    assert not (folder / "gleenlet").exists()


def test_what_cannot_be_asked_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ps", "99999999"]) == 1
    assert capsys.readouterr().err == "gleenlet: there is no process 99999999\n"
    assert main(["ps"]) == 1
    assert "no process listens" in capsys.readouterr().err


@pytest.fixture
def listener(folder: Path) -> Iterator[Listener]:
    with listen() as listener:
        assert listen() is listener
        yield listener


def exchange(listener: Listener, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(FOREVER)
        connection.connect(listener.path)
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as file:
            return file.read()


def test_only_the_user_may_enter(listener: Listener) -> None:
    assert stat.S_IMODE(os.lstat(listener.path).st_mode) == 0o600
    assert stat.S_IMODE(os.lstat(os.path.dirname(listener.path)).st_mode) == 0o700


@pytest.mark.parametrize(
    "request_", [b"", b"\n", b"\xff\n", b"[]\n", b'{"command": []}\n', b'{"command": "x"}\n', b"[" * 60000 + b"\n"]
)
def test_garbage_is_answered_with_an_error(listener: Listener, request_: bytes) -> None:
    assert b"the request is none" in exchange(listener, request_)
    assert json.loads(exchange(listener, b'{"command": "hello"}\n'))["program"]["pid"] == os.getpid()
    assert "error" in json.loads(exchange(listener, b'{"command": "tree", "limit": "x"}\n'))


def test_readers_that_vanish_or_are_slow_hold_nobody_up(listener: Listener) -> None:
    slow = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for connection in slow:
        connection.connect(listener.path)
    with socket.socket(socket.AF_UNIX) as vanishes:
        vanishes.connect(listener.path)
        vanishes.sendall(b'{"command": "tasks"}\n')
    assert b"program" in exchange(listener, b'{"command": "tree"}\n')
    for connection in slow:
        connection.close()


def test_more_connections_than_a_few_are_closed_at_once(listener: Listener) -> None:
    many = [socket.socket(socket.AF_UNIX) for _ in range(9)]
    for connection in many:
        connection.settimeout(FOREVER)
        connection.connect(listener.path)
    assert many[-1].recv(1) == b""
    for connection in many:
        connection.close()


def test_a_closed_listener_leaves_no_socket_and_no_thread(folder: Path) -> None:
    listener = listen()
    listener.close()
    listener.close()
    assert list((folder / "gleenlet").iterdir()) == []
    for thread in threading.enumerate():
        if thread.name == "gleenlet.debug":
            thread.join()
    with listen() as again:
        assert again is not listener


def test_a_socket_that_a_dead_process_left_is_removed(folder: Path) -> None:
    with started(STUCK, debug="1") as (pid, _):
        pass  # killed
    assert list((folder / "gleenlet").iterdir()) == [folder / "gleenlet" / f"{pid}.sock"]
    assert main(["ps"]) == 1
    assert list((folder / "gleenlet").iterdir()) == []


def test_a_folder_that_others_may_enter_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "gleenlet").mkdir(mode=0o755)
    with pytest.raises(GleenletError, match="can be entered by others"):
        listen()
    for name in ("watch", "watch_switches"):  # which would go on for all tests to come
        monkeypatch.setattr(_listen, name, lambda: None)
    with pytest.warns(RuntimeWarning, match="nobody can look in"):
        start_as_asked()
    (folder / "gleenlet").rmdir()
    (folder / "elsewhere").mkdir()
    (folder / "gleenlet").symlink_to(folder / "elsewhere")
    with pytest.raises(GleenletError, match="no folder of yours"):
        listen()


def test_a_flatpak_listens_where_the_host_sees_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLATPAK_ID", "org.example.App")
    (folder / "app" / "org.example.App").mkdir(parents=True, mode=0o700)
    with listen() as listener:
        assert listener.path == str(folder / "app" / "org.example.App" / f"gleenlet-{os.getpid()}.sock")
        monkeypatch.delenv("FLATPAK_ID")
        assert main(["pstree", str(os.getpid())]) == 0


def test_a_forked_child_does_not_listen_and_leaves_the_socket(listener: Listener) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork where threads are
        child = os.fork()
    if not child:
        os._exit(not listener.closed)
    assert os.waitpid(child, 0)[1] == 0
    assert b"program" in exchange(listener, b'{"command": "hello"}\n')


def test_a_task_is_cancelled_in_its_own_thread(listener: Listener, capsys: pytest.CaptureFixture[str]) -> None:
    def cancelled() -> bool:
        task = spawn(sleep, FOREVER, name="victim")
        while task.waiter is None:
            sleep(0)
        thread = threading.Thread(target=main, args=[["cancel", str(os.getpid()), str(id(task))]])
        thread.start()
        task.join()
        thread.join()
        return task.cancelled()

    assert run(cancelled)
    assert capsys.readouterr().out == "cancelled 'victim'\n"

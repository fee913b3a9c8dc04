"""Asking a process that answers wrongly, late or not at all, is another, or another user's."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gleenlet import GleenletError
from gleenlet.debug import _ask, _folder
from gleenlet.debug._ask import NoAnswer, ask, listening
from gleenlet.debug._command import main

PID = os.getpid()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def refuses(_pid: int) -> str:
        raise GleenletError("not in this test")

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(_folder, "TEMPORARY", str(tmp_path / "tmp"))
    monkeypatch.setattr(_ask, "enter", refuses)
    (tmp_path / "gleenlet").mkdir()
    return tmp_path / "gleenlet"


@contextlib.contextmanager
def answering(path: Path, answer: bytes | None) -> Iterator[None]:
    """Somebody who answers each request with this; None: with nothing, and keeps the line."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    kept = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            if not connection.recv(4096):  # it was somebody else that was wanted
                connection.close()
            elif answer is None:
                kept.append(connection)
            else:
                connection.sendall(answer)
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for connection in kept:
            connection.close()


def test_who_answers_garbage_is_another_version(folder: Path) -> None:
    with answering(folder / f"{PID}.sock", b"hello\n"):
        with pytest.raises(NoAnswer, match="another version"):
            ask(PID, "tasks")
        assert listening() == {}


def test_an_error_is_told(folder: Path) -> None:
    with (
        answering(folder / f"{PID}.sock", b'{"error": "no such thing"}\n'),
        pytest.raises(NoAnswer, match="no such thing"),
    ):
        ask(PID, "tasks")


def test_who_does_not_answer_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ask, "SECONDS", 0.05)
    with answering(folder / f"{PID}.sock", None), pytest.raises(NoAnswer, match="does not answer within"):
        ask(PID, "tasks")


def test_who_hangs_up_does_not_listen(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / f"{PID}.sock"
    with answering(path, b""):
        with pytest.raises(NoAnswer, match=r"does not listen: .*\(not in this test\)"):
            ask(PID, "tasks")
        monkeypatch.setattr(_ask, "enter", lambda pid: str(path))
        with pytest.raises(NoAnswer, match="has ended, or closes its socket"):
            ask(PID, "tasks")
    monkeypatch.setattr(_ask, "enter", lambda pid: str(path))
    assert main(["ps", str(PID)]) == 1
    assert "has ended" in capsys.readouterr().err


def test_a_socket_under_another_number_is_not_asked(folder: Path) -> None:
    with (
        answering(folder / f"{os.getppid()}.sock", b'{"tasks": []}\n'),
        pytest.raises(NoAnswer, match="does not listen"),
    ):
        ask(os.getppid(), "tasks")


def test_another_users_process_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_pid: int, _signal: int) -> None:
        raise PermissionError

    with answering(folder / f"{PID}.sock", b"{}\n"):
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        with pytest.raises(NoAnswer, match="of another user"):
            ask(PID, "tasks")
    monkeypatch.setattr(os, "kill", refuses)
    with pytest.raises(NoAnswer, match="another user's: ask as that user"):
        ask(PID + 1, "tasks")

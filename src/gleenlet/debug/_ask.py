"""Ask another process what its tasks do. Knows its socket, and nothing of tasks."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from gleenlet import GleenletError
from gleenlet.debug._enter import enter
from gleenlet.debug._folder import all_sockets, possible_sockets
from gleenlet.debug._listen import peer

__all__ = ["NoAnswer", "ask", "listening"]

SECONDS = 10.0


class NoAnswer(GleenletError):
    """The process cannot be asked; the text says why, and what to do."""


def listening() -> dict[int, dict[str, Any]]:
    """The processes that can be asked, and what they say they are."""
    found = {}
    for path in all_sockets():
        try:
            pid, answer = talk(path, {"command": "hello"})
        except ConnectionRefusedError:  # its process has ended without a word
            os.unlink(path)
            continue
        except (OSError, NoAnswer):
            continue
        found[pid] = answer["program"]
    return found


def ask(pid: int, command: str, **details: Any) -> dict[str, Any]:
    """Have a process answer; from Python 3.14 on also one that did not listen, and then goes on listening.

    Raises: NoAnswer: it does not listen, it has ended, or it is another user's.
    """
    answer = ask_at(possible_sockets(pid), pid, command, details)
    if answer is None:
        refuse_others(pid)
        try:
            path = enter(pid)
        except GleenletError as error:
            raise NoAnswer(
                f"process {pid} does not listen: start it with GLEENLET_DEBUG=1 in its environment, or have it call "
                f"gleenlet.debug.listen() ({error})"
            ) from None
        answer = ask_at([path], pid, command, details)
    if answer is None:
        raise NoAnswer(f"process {pid} has ended, or closes its socket")
    if "error" in answer:
        raise NoAnswer(f"process {pid}: {answer['error']}")
    return answer


def ask_at(paths: list[str], pid: int, command: str, details: dict[str, Any]) -> dict[str, Any] | None:
    for path in paths:
        try:
            connected, answer = talk(path, {"command": command, **details}, pid)
        except (ConnectionError, FileNotFoundError):
            continue
        except TimeoutError:
            raise NoAnswer(
                f"process {pid} does not answer within {SECONDS:.0f} s: it is stopped, or in C code"
            ) from None
        if connected == pid:
            return answer
    return None


def talk(path: str, request: dict[str, Any], wanted: int | None = None) -> tuple[int, dict[str, Any]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(SECONDS)
        connection.connect(path)
        pid, uid = peer(connection)
        if uid != os.geteuid() and os.geteuid():
            raise NoAnswer(f"{path} is of another user")
        if wanted not in (None, pid):
            return pid, {}
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as file:
            line = file.readline()
    if not line:
        raise ConnectionResetError
    try:
        answer = json.loads(line)
    except ValueError:
        raise NoAnswer(f"process {pid} answers something that is none: is it another version of gleenlet?") from None
    return pid, answer


def refuse_others(pid: int) -> None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        raise NoAnswer(f"there is no process {pid}") from None
    except PermissionError:
        raise NoAnswer(f"process {pid} is another user's: ask as that user") from None

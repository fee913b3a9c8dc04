"""Calls that would stop the loop raise with the line: sleeps, sockets, children, D-Bus, files over a limit."""

from __future__ import annotations

import builtins
import io
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gi.repository import Gio

from gleenlet import move_on_after, run, sleep, to_thread
from gleenlet.testing import BlockingCall, forbid_blocking


def test_calls_that_stop_the_loop_raise() -> None:
    ours, theirs = socket.socketpair()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with forbid_blocking():
        with pytest.raises(BlockingCall, match=r"time.sleep\(\) at .*test_forbid_blocking.py:\d+ stops the loop"):
            time.sleep(1)
        with pytest.raises(BlockingCall, match=r"socket.recv\(\)"):
            ours.recv(1)
        for wait in (child.wait, child.communicate):
            with pytest.raises(BlockingCall, match="wait_child"):
                wait()
        with pytest.raises(BlockingCall, match="call_sync"):
            Gio.DBusProxy.call_sync("x")  # type: ignore[call-arg, arg-type]
        with pytest.raises(BlockingCall, match="lookup_by_name_async"):
            socket.create_connection(("example.invalid", 80))
        time.sleep(0)
        assert socket.getaddrinfo("127.0.0.1", 80)
        assert socket.getaddrinfo(b"::1", 80)
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(1)
        thread = threading.Thread(target=time.sleep, args=(0.001,))
        thread.start()
        thread.join()
        run(move_on, 0.001)
    child.communicate(b"\n")
    child.wait()
    ours.close()
    theirs.close()
    assert "recv" not in vars(socket.socket)


def test_tls_is_looked_at_too() -> None:
    ours, theirs = socket.socketpair()
    with ssl.create_default_context().wrap_socket(ours, server_hostname="x", do_handshake_on_connect=False) as secure:
        with forbid_blocking(), pytest.raises(BlockingCall, match=r"SSLSocket.do_handshake\(\)"):
            secure.do_handshake()
    theirs.close()


def move_on(seconds: float) -> None:
    with move_on_after(seconds):
        sleep(1000)


LARGE = 2000  # bytes; the limit of these tests is half of it


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(b"x" * LARGE)
    return path


def read_lines(path: Path) -> None:
    with open(path, newline="\n") as file:
        for _ in file:
            pass


def write_much(path: Path) -> None:
    with path.open("wb", buffering=10) as file:
        for _ in range(LARGE):
            file.write(b"x")


def update(path: Path) -> None:
    with path.open("r+b", 0) as file:
        file.read(LARGE // 2)
        file.write(b"x")


def by_descriptor(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.read(descriptor, LARGE)
    finally:
        os.close(descriptor)


FILES: dict[str, Callable[[Path], Any]] = {
    "read_bytes": Path.read_bytes,
    "read_text": Path.read_text,
    "lines": read_lines,
    "readinto": lambda path: path.open("rb", 0).readinto(bytearray(LARGE)),
    "write_text": lambda path: path.write_text("x" * LARGE),
    "many writes": write_much,
    "update": update,
    "os.read": by_descriptor,
    "load_contents": lambda path: Gio.File.new_for_path(str(path)).load_contents(None),
    "replace_contents": lambda path: Gio.File.new_for_path(str(path)).replace_contents(
        b"x" * LARGE, None, False, Gio.FileCreateFlags.NONE, None
    ),
    "a file elsewhere": lambda _: Gio.File.new_for_uri("sftp://there/file").load_contents(None),
}


@pytest.mark.filterwarnings("ignore:.*Counted.*:ResourceWarning")
@pytest.mark.parametrize("way", FILES)
def test_files_over_the_limit_raise(way: str, large: Path) -> None:
    with forbid_blocking(file_limit=LARGE // 2):
        with pytest.raises(BlockingCall, match=r"bytes.* at .*test_forbid_blocking.py:\d+ stops the loop"):
            FILES[way](large)


def test_files_below_it_are_as_ever(large: Path) -> None:
    with forbid_blocking():
        with large.open("w+") as file:
            file.write("äö\n")
            file.seek(0)
            assert (file.read(), file.mode, file.name) == ("äö\n", "w+", str(large))
        assert large.read_text() == "äö\n"
        with large.open("ab", 0) as raw:
            raw.write(b"x")
        with pytest.raises(FileExistsError):
            large.open("x")
        with large.with_name("new").open("x") as file:
            file.write("new")
        with open(large, buffering=1) as file:
            assert [*file] == ["äö\n", "x"]
            assert file.line_buffering
        with pytest.raises(ValueError, match="binary mode"), open(large, "rb", encoding="utf-8"):
            pass
        Gio.File.new_for_path(str(large)).load_contents(None)
        with pytest.raises(Exception, match="No such file"):
            Gio.File.new_for_path(str(large.with_name("none"))).load_contents(None)
        with open(os.devnull, "wb") as null:
            null.write(b"x" * 2_000_000)
    assert builtins.open is io.open
    assert "load_contents" not in vars(Gio.File) or not hasattr(vars(Gio.File)["load_contents"], "__code__")


def test_another_thread_may_do_as_it_likes(large: Path) -> None:
    with forbid_blocking(file_limit=1):
        assert len(run(to_thread, large.read_bytes)) == LARGE

"""Real buses for tests: a daemon of our own, connections to it, and programs that are its other peers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gi.repository import Gio, GLib

import gleenlet
from child import LIMIT

FLAGS = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION


class Daemon:
    """A dbus-daemon; `kill` ends it as a crash would."""

    def __init__(self, address: str, process: subprocess.Popen[bytes]) -> None:
        self.address = address
        self.process = process

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def daemon() -> Iterator[Daemon]:
    """A bus of our own."""
    read_fd, write_fd = os.pipe()
    process = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--print-address={write_fd}"],
        pass_fds=[write_fd],
        stderr=subprocess.DEVNULL,  # that it may not raise its limit of open files
    )
    os.close(write_fd)
    try:
        with os.fdopen(read_fd) as lines:
            yield Daemon(lines.readline().strip(), process)
    finally:
        process.kill()
        process.wait()


def connect(address: str) -> Gio.DBusConnection:
    """A connection that outlives its daemon."""
    return gleenlet.call(Gio.DBusConnection.new_for_address, address, FLAGS, None)


def close(connection: Gio.DBusConnection) -> None:
    if not connection.is_closed():
        gleenlet.call(connection.close)


@contextlib.contextmanager
def peer(address: str, *command: str | Path, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """Another program on the bus, killed at the end of the block; its standard output is a pipe."""
    process = subprocess.Popen(
        [str(part) for part in command],
        env=on(address),
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    """The next line that it prints; the loop runs meanwhile."""
    stream: IO[str] | None = process.stdout
    assert stream is not None
    return gleenlet.to_thread(stream.readline).rstrip("\n")


def output(address: str, *command: str | Path) -> str:
    """What a program on the bus prints, errors included; the loop runs meanwhile."""
    done = gleenlet.to_thread(
        subprocess.run,
        [str(part) for part in command],
        env=on(address),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
    )
    return str(done.stdout)


def on(address: str) -> dict[str, str]:
    return os.environ | {"DBUS_SESSION_BUS_ADDRESS": address, "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}


def remote_name(error: GLib.Error) -> str | None:
    return Gio.DBusError.get_remote_error(error)


PYTHON = sys.executable

"""A display and a bus for tests alone: Xvfb and dbus-daemon, as child processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from gi.repository import Gio

__all__ = ["session_bus", "virtual_display"]


@contextlib.contextmanager
def server(program: str, package: str, *args: str) -> Iterator[str]:
    """Run it until the block ends; what it says on the descriptor in place of `{fd}` once it is there."""
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is not installed: install the package {package}")
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [path, *(arg.format(fd=writer) for arg in args)],
        pass_fds=[writer],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as file:
            said = file.readline().strip()
        if not said:
            raise RuntimeError(f"{program} did not start")
        yield said
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def virtual_display(size: str = "1280x1024") -> Iterator[str]:
    """Run an X server in memory, Xvfb, and have GTK use it; yields its name, ":7".

    Where GTK has opened a display already, that one is used: a process keeps its first.

    Args:
        size: pixels, width x height.

    Raises: FileNotFoundError: Xvfb is not installed.
    """
    gdk = sys.modules.get("gi.repository.Gdk")
    opened = gdk.Display.get_default() if gdk is not None else None
    if opened is not None:
        yield opened.get_name()
        return
    with server("Xvfb", "xvfb", "-displayfd", "{fd}", "-screen", "0", f"{size}x24", "-nolisten", "tcp") as number:
        name = f":{number}"
        with environment(DISPLAY=name, GDK_BACKEND="x11", GTK_A11Y="none", NO_AT_BRIDGE="1"):
            yield name


@contextlib.contextmanager
def session_bus() -> Iterator[str]:
    """Run a D-Bus session of its own, dbus-daemon; yields its address, which is that of the process meanwhile.

    Raises: FileNotFoundError: dbus-daemon is not installed.
    """
    with server("dbus-daemon", "dbus-daemon", "--session", "--nofork", "--print-address={fd}") as address:
        with environment(DBUS_SESSION_BUS_ADDRESS=address):
            try:
                yield address
            finally:
                # The process's own connection to it, if somebody uses it, would end the process with the daemon.
                Gio.bus_get_sync(Gio.BusType.SESSION).set_exit_on_close(False)

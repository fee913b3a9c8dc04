"""A display and a bus for tests alone: Xvfb and dbus-daemon, as child processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

from gi.repository import Gio

__all__ = ["own_displays", "session_bus", "virtual_display"]

own_displays: set[str] = set()
"""Names of the displays that `virtual_display` has made: nobody else is there to be disturbed."""


# A server ends when what it reads ends: with the block, or with this process, however that ends.
UNTIL_TOLD = 'server=$1; shift; "$server" "$@" </dev/null & read -r _; kill $!; wait'

kept: list[subprocess.Popen[bytes]] = []
"""Servers that this process is connected to: GTK ends it where it loses its display."""


@contextlib.contextmanager
def server(program: str, package: str, *args: str, keep: Callable[[str], bool] = lambda _: False) -> Iterator[str]:
    """Run it until the block ends; yields what it says on the descriptor in place of `{fd}` once it is there.

    Args:
        keep: told that, says whether it has to run as long as this process.
    """
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is not installed: install the package {package}")
    reader, writer = os.pipe()
    process = subprocess.Popen(
        ["/bin/sh", "-c", UNTIL_TOLD, "sh", path, *(arg.format(fd=writer) for arg in args)],
        pass_fds=[writer],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us
    )
    os.close(writer)
    said = ""
    try:
        with os.fdopen(reader) as file:
            said = file.readline().strip()
        if not said:
            raise RuntimeError(f"{program} did not start")
        yield said
    finally:
        assert process.stdin is not None
        if said and keep(said):
            kept.append(process)
            # A number that nobody closes, not even Python on its way out: it is open until the process is gone. A bus
            # that was launched for this display goes with it, and GIO ends a process that loses its bus.
            os.dup(process.stdin.fileno())
        else:
            process.stdin.close()
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

    Where GTK has opened a display already, that one is used: a process keeps its first. The server of one that GTK has
    opened ends with the process.

    Args:
        size: pixels, width x height.

    Raises: FileNotFoundError: Xvfb is not installed.
    """
    gdk = sys.modules.get("gi.repository.Gdk")
    opened = gdk.Display.get_default() if gdk is not None else None
    if opened is not None:
        yield opened.get_name()
        return
    options = "-displayfd", "{fd}", "-screen", "0", f"{size}x24", "-nolisten", "tcp"
    with server("Xvfb", "xvfb", *options, keep=is_open) as number:
        name = f":{number}"
        own_displays.add(name)
        try:
            with environment(DISPLAY=name, GDK_BACKEND="x11", GTK_A11Y="none", NO_AT_BRIDGE="1"):
                open_display(name)
                yield name
        finally:
            own_displays.discard(name)


def open_display(name: str) -> None:
    """Where GTK 4 was imported before there was a display: it looks for one at its import, and never again."""
    gdk, overrides = sys.modules.get("gi.repository.Gdk"), sys.modules.get("gi.overrides.Gtk")
    if gdk is not None and gdk._version == "4.0" and getattr(overrides, "initialized", None) is False:
        overrides.initialized = gdk.Display.open(name) is not None  # type: ignore[union-attr]


def is_open(number: str) -> bool:
    """Has GTK opened the display of this number?"""
    gdk = sys.modules.get("gi.repository.Gdk")
    return gdk is not None and any(
        display.get_name().partition(".")[0] == f":{number}" for display in gdk.DisplayManager.get().list_displays()
    )


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

# mypy: disable-error-code=empty-body
"""Connections without a bus: two programs, no names, no daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gi.repository import Gio, GLib

import gleenlet
from buses import close
from gleenlet import Cancelled, Queue, sleep, spawn
from gleenlet.dbus import Property, Signal, current_call, export, interface, owner, proxy
from inside import FOREVER


@interface("org.example.Peer")
class Peer:
    def who(self) -> str: ...
    def wait(self) -> None: ...

    level: Property[int]
    happened: Signal[int]


class Service(Peer):
    def __init__(self) -> None:
        self.level = 1
        self.events: Queue[str] = Queue()

    def who(self) -> str:
        self.level += 1
        self.happened.emit(7)
        call = current_call()
        return f"{call.sender} {call.uid} {call!r}"

    def wait(self) -> None:
        self.events.put("begun")
        try:
            sleep(FOREVER)
        except Cancelled:
            self.events.put_nowait("cancelled")
            raise


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[Gio.DBusConnection, Gio.DBusConnection]]:
    """The service's and the client's end."""
    flags = Gio.DBusServerFlags.NONE
    server = Gio.DBusServer.new_sync(f"unix:path={tmp_path}/socket", flags, Gio.dbus_generate_guid(), None, None)
    accepted: Queue[Gio.DBusConnection] = Queue()

    def connected(_: Gio.DBusServer, connection: Gio.DBusConnection) -> bool:
        accepted.put_nowait(connection)
        return True

    server.connect("new-connection", connected)
    server.start()
    address: Any = server.get_client_address()
    authenticate = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
    client = gleenlet.call(Gio.DBusConnection.new_for_address, address, authenticate, None)
    service = accepted.get()
    yield service, client
    close(client)
    close(service)
    server.stop()


def test_two_programs_talk_without_a_bus(ends: tuple[Gio.DBusConnection, Gio.DBusConnection]) -> None:
    service, client = ends
    with export(service, "/peer", Service()):
        peer = proxy(client, None, "/peer", Peer)
        assert owner(peer) is None
        assert peer.level == 1
        with peer.happened as emissions:
            assert peer.who() == f"None {os.getuid()} <call of org.example.Peer.who by the other side>"
            assert next(emissions) == (7,)
        assert peer.level == 2
        assert repr(peer) == "<proxy Peer of the other side at /peer>"


def test_who_does_not_say_is_unknown(ends: tuple[Gio.DBusConnection, Gio.DBusConnection]) -> None:
    service, client = ends
    assert client.get_peer_credentials() is None  # servers do not say
    with export(client, "/peer", Service()):
        with pytest.raises(GLib.Error, match="has not said who it is"):
            proxy(service, None, "/peer", Peer).who()


def test_the_end_of_the_other_side_cancels_its_calls(
    ends: tuple[Gio.DBusConnection, Gio.DBusConnection],
) -> None:
    service, client = ends
    with export(service, "/peer", Service()) as running:
        waiting = spawn(proxy(client, None, "/peer", Peer).wait)
        assert running.events.get() == "begun"
        close(client)
        assert running.events.get() == "cancelled"
        assert waiting.exception() is not None

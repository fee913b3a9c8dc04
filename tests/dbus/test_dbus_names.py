"""Owning names, and who owns them."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

import signal

import pytest
from gi.repository import Gio, GLib

from buses import close, connect, daemon, remote_name
from gleenlet import Cancelled, GleenletError, spawn
from gleenlet.dbus import NameTaken, interface, own_name, owner, proxy, wait_for_name, watch_name
from inside import settle

NAME = "org.example.Name"


@interface("org.example.Files")
class Files:
    def nothing(self) -> None: ...


def test_a_name_is_owned_in_the_block_and_not_after(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    files = proxy(client, NAME, "/files", Files)
    assert owner(files) is None
    with own_name(bus, NAME) as mine:
        assert mine.owned
        assert owner(files) == bus.get_unique_name()
    assert not mine.owned
    with watch_name(client, NAME) as owners:
        while next(owners) is not None:
            pass
    assert owner(files) is None


def test_a_name_that_is_taken_is_an_error(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with own_name(bus, NAME) as mine:
        with pytest.raises(NameTaken, match=f"{NAME} is owned by {bus.get_unique_name()}: .*replace=True"):
            own_name(client, NAME).__enter__()
        with pytest.raises(NameTaken):
            own_name(client, NAME, replace=True).__enter__()
        with pytest.raises(NameTaken, match="by this connection already"):
            own_name(bus, NAME).__enter__()
        with pytest.raises(GleenletError, match="entered already"):
            mine.__enter__()
        assert mine.owned
    assert wait_for_no_owner(client)


def wait_for_no_owner(bus: Gio.DBusConnection) -> bool:
    with watch_name(bus, NAME) as owners:
        while next(owners) is not None:
            pass
    return True


def test_a_name_can_be_taken_over_where_that_is_allowed(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with own_name(bus, NAME, allow_replacement=True) as first:
        with pytest.raises(TimeoutError):
            first.wait_lost(timeout=0)
        lost = spawn(first.wait_lost)
        with own_name(client, NAME, replace=True) as second:
            lost.result()
            assert (first.owned, second.owned) == (False, True)
            first.wait_lost()
    assert wait_for_no_owner(client)


def test_a_program_waits_for_a_name(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with pytest.raises(TimeoutError):
        wait_for_name(client, NAME, timeout=0.01)
    with pytest.raises(ValueError):
        wait_for_name(client, NAME, timeout=-1)
    waiting = spawn(wait_for_name, client, NAME)
    settle()
    with own_name(bus, NAME):
        assert waiting.result() == bus.get_unique_name()
        assert wait_for_name(client, NAME) == bus.get_unique_name()


def test_appearance_and_loss_are_told_one_after_another(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with watch_name(client, NAME) as owners:
        assert next(owners) is None
        for _ in range(3):
            with own_name(bus, NAME):
                pass
        assert [next(owners) for _ in range(6)] == [bus.get_unique_name(), None] * 3
        waiting = spawn(next, owners)
        settle()
        with pytest.raises(GleenletError, match="a task waits"):
            next(owners)
        with own_name(bus, NAME):
            assert waiting.result() == bus.get_unique_name()
    with pytest.raises(GleenletError, match="with watch_name"):
        next(owners)


def test_changes_before_the_first_answer_are_not_told_twice() -> None:
    with daemon() as stopped:
        client = connect(stopped.address)
        cases: list[tuple[list[str | None], list[str | None]]] = [
            ([":1.7", None], [None]),
            ([None, ":1.7"], [None, ":1.7"]),
            ([":1.7"], [None, ":1.7"]),
        ]
        for heard, told in cases:
            owners = watch_name(client, NAME)
            stopped.process.send_signal(signal.SIGSTOP)
            entering = spawn(owners.__enter__)
            settle()
            for each in heard:
                owners._changed(each)
            stopped.process.send_signal(signal.SIGCONT)
            with entering.result():
                assert [next(owners) for _ in told] == told
        stopped.process.send_signal(signal.SIGSTOP)
        cancelled = watch_name(client, NAME)
        entering = spawn(cancelled.__enter__)
        settle()
        entering.cancel()
        with pytest.raises(Cancelled):
            entering.result()
        assert cancelled._subscription is None


def test_bad_names_are_refused(bus: Gio.DBusConnection) -> None:
    for name in "files", ":1.5", "":
        with pytest.raises(ValueError, match=r"org\.example\.Files"):
            own_name(bus, name)
    with pytest.raises(ValueError):
        watch_name(bus, "files")
    with pytest.raises(GLib.Error) as info:
        own_name(bus, "org.freedesktop.DBus").__enter__()
    assert remote_name(info.value) == "org.freedesktop.DBus.Error.InvalidArgs"


def test_a_closed_connection_ends_every_wait(address: str) -> None:
    third = connect(address)
    with own_name(third, NAME) as mine, watch_name(third, NAME) as owners:
        assert next(owners) == third.get_unique_name()
        tasks = [spawn(mine.wait_lost), spawn(next, owners)]
        settle()
        close(third)
        tasks[0].result()
        with pytest.raises(ConnectionResetError):
            tasks[1].result()
        with pytest.raises(ConnectionResetError):
            next(owners)
    for use in own_name(third, NAME), watch_name(third, NAME):
        with pytest.raises(ConnectionResetError):
            use.__enter__()

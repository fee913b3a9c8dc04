"""Signals: emitted by a service, awaited and iterated by a proxy."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from gi.repository import Gio, GLib

import gleenlet
from buses import close, connect, daemon
from gleenlet import Cancelled, GleenletError, spawn
from gleenlet.dbus import NameLost, Signal, export, interface, own_name, proxy
from inside import FOREVER, settle, used_in_another_thread


@interface("org.example.Files")
class Files:
    def search(self, text: str, times: int) -> None: ...

    found: Signal[str, int]
    done: Signal[()]


class Service(Files):
    def search(self, text: str, times: int) -> None:
        for i in range(times):
            self.found.emit(text, i)
        self.done.emit()


@pytest.fixture
def service(bus: Gio.DBusConnection) -> Iterator[Service]:
    with export(bus, "/files", Service()) as running:
        yield running


@pytest.fixture
def files(service: Service, bus: Gio.DBusConnection, client: Gio.DBusConnection) -> Files:
    return proxy(client, bus.get_unique_name(), "/files", Files)


def test_no_emission_is_lost_once_the_block_is_entered(files: Files) -> None:
    with files.found as emissions:
        files.search("a", 3)
        assert [next(emissions) for _ in range(3)] == [("a", 0), ("a", 1), ("a", 2)]
        waiting = spawn(next, emissions)
        files.search("b", 1)
        assert waiting.result() == ("b", 0)


def test_ten_thousand_emissions_come_in_their_order(files: Files) -> None:
    with files.found as emissions:
        searching = spawn(files.search, "a", 9_999)
        assert [next(emissions)[1] for _ in range(9_999)] == list(range(9_999))
        searching.result()


def test_wait_gives_the_next_emission(files: Files, service: Service) -> None:
    waiting = spawn(files.found.wait, timeout=FOREVER)
    while not waiting.done():
        service.found.emit("a", 1)
        gleenlet.sleep(0)
    assert waiting.result() == ("a", 1)
    with pytest.raises(TimeoutError):
        files.done.wait(timeout=0)
    with pytest.raises(ValueError):
        files.done.wait(timeout=-1)


def test_a_signal_without_arguments_gives_none(files: Files) -> None:
    with files.done as emissions:
        files.search("a", 0)
        assert next(emissions) == ()


def test_more_than_anybody_takes_is_an_error(files: Files) -> None:
    with files.found as emissions:
        files.search("a", 10_002)
        for _ in range(10_000):
            next(emissions)
        with pytest.raises(GleenletError, match="more than 10000 emissions"):
            next(emissions)


def test_what_is_used_wrongly_says_so(files: Files) -> None:
    found = files.found
    with found as emissions:
        with pytest.raises(GleenletError, match="entered already"):
            found.__enter__()
        waiting = spawn(next, emissions)
        settle()
        with pytest.raises(GleenletError, match="a task waits for found"):
            next(emissions)
        waiting.cancel()
        assert waiting.join()
        assert waiting.cancelled()
    with pytest.raises(GleenletError, match=r"with proxy\.found as emissions"):
        next(emissions)
    with pytest.raises(GleenletError, match="for the service"):
        files.found.emit("a", 1)


def test_a_cancelled_entry_leaves_nothing() -> None:
    with daemon() as stopped:
        client = connect(stopped.address)
        found = proxy(client, "org.example.Files", "/files", Files).found
        stopped.process.send_signal(signal.SIGSTOP)  # it does not answer any more
        entering = spawn(found.__enter__)
        settle()
        assert found.subscription is not None  # type: ignore[attr-defined]
        entering.cancel()
        with pytest.raises(Cancelled):
            entering.result()
        assert found.subscription is None  # type: ignore[attr-defined]


def test_the_end_of_a_unique_name_ends_the_wait(client: Gio.DBusConnection, address: str) -> None:
    third = connect(address)
    unique = proxy(client, third.get_unique_name(), "/files", Files)
    with unique.found as emissions:
        waiting = spawn(next, emissions)
        settle()
        close(third)
        with pytest.raises(NameLost):
            waiting.result()
    with pytest.raises(NameLost, match="no owner"):
        unique.found.wait()


def test_emissions_before_the_end_are_given_first(
    service: Service, bus: Gio.DBusConnection, client: Gio.DBusConnection
) -> None:
    named = proxy(client, "org.example.Files", "/files", Files)
    with named.found as emissions:
        with own_name(bus, "org.example.Files"):
            service.found.emit("a", 1)
        assert next(emissions) == ("a", 1)
        with pytest.raises(NameLost, match="wait_for_name"):
            next(emissions)


def test_a_closed_connection_ends_the_wait(service: Service, bus: Gio.DBusConnection, address: str) -> None:
    third = connect(address)
    files = proxy(third, bus.get_unique_name(), "/files", Files)
    with files.found as emissions:
        waiting = spawn(next, emissions)
        settle()
        close(third)
        with pytest.raises(ConnectionResetError):
            waiting.result()
    with pytest.raises(ConnectionResetError):
        files.found.wait()


def test_a_signal_of_another_type_is_refused(files: Files, service: Service, bus: Gio.DBusConnection) -> None:
    with files.found as emissions:
        bus.emit_signal(None, "/files", "org.example.Files", "found", GLib.Variant("(s)", ("a",)))
        with pytest.raises(TypeError, match=r"came with \(s\), not \(si\)"):
            next(emissions)
        service.found.emit("a", 1)
        assert next(emissions) == ("a", 1)


def test_a_service_emits_from_any_thread(files: Files, service: Service) -> None:
    with files.found as emissions:
        assert used_in_another_thread(lambda: service.found.emit("a", 1)) is None
        assert next(emissions) == ("a", 1)


def test_a_service_that_is_nowhere_emits_to_nobody(bus: Gio.DBusConnection, address: str) -> None:
    third = connect(address)
    with export(third, "/files", Service()) as service:
        close(third)
        service.found.emit("a", 1)
    service.found.emit("a", 2)

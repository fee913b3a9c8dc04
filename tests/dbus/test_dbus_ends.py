"""Callers that vanish in the middle, and a daemon that is killed."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

import pytest
from gi.repository import Gio, GLib

import gleenlet
from buses import close, connect, daemon
from child import run_script
from gleenlet import Cancelled, Queue, sleep, spawn
from gleenlet.dbus import Property, Signal, export, interface, own_name, proxy, wait_for_name, watch, watch_name
from inside import FOREVER
from watching import has_handler


@interface("org.example.Slow")
class Slow:
    def work(self, number: int) -> int: ...


class Service(Slow):
    def __init__(self) -> None:
        self.begun: Queue[int] = Queue()
        self.cancelled: Queue[int] = Queue()

    def work(self, number: int) -> int:
        self.begun.put(number)
        try:
            sleep(FOREVER)
        except Cancelled:
            self.cancelled.put_nowait(number)
            raise
        return number


def test_a_caller_that_vanishes_takes_its_calls_along(bus: Gio.DBusConnection, address: str) -> None:
    leaves, stays = connect(address), connect(address)
    with export(bus, "/slow", Service()) as service:
        calls = [
            spawn(proxy(each, bus.get_unique_name(), "/slow", Slow).work, number)
            for number, each in enumerate([leaves, leaves, stays])
        ]
        assert {service.begun.get() for _ in range(3)} == {0, 1, 2}
        close(leaves)
        assert {service.cancelled.get() for _ in range(2)} == {0, 1}
        for call in calls[:2]:
            with pytest.raises(GLib.Error, match="closed"):
                call.result()
        assert not calls[2].done()
        assert service.cancelled.empty()
        close(stays)
        with pytest.raises(GLib.Error):
            calls[2].result()
    assert service.cancelled.get() == 2


def test_calls_in_the_queue_of_a_caller_that_vanishes_are_never_begun(bus: Gio.DBusConnection, address: str) -> None:
    leaves = connect(address)
    with export(bus, "/slow", Service(), max_concurrent=1) as service:
        slow = proxy(leaves, bus.get_unique_name(), "/slow", Slow)
        calls = [spawn(slow.work, number) for number in range(3)]
        assert service.begun.get() == 0
        close(leaves)
        assert service.cancelled.get() == 0
        for call in calls:
            with pytest.raises(GLib.Error):
                call.result()
        other = connect(address)
        call = spawn(proxy(other, bus.get_unique_name(), "/slow", Slow).work, 3)
        assert service.begun.get() == 3
        close(other)
        assert service.cancelled.get() == 3
        with pytest.raises(GLib.Error):
            call.result()


def test_a_caller_that_is_gone_before_anybody_looks_is_noticed(bus: Gio.DBusConnection, address: str) -> None:
    leaves = connect(address)
    with export(bus, "/slow", Service()) as service:
        args = GLib.Variant("(i)", (7,))
        none = Gio.DBusCallFlags.NONE
        leaves.call(bus.get_unique_name(), "/slow", "org.example.Slow", "work", args, None, none, -1, None, None)
        leaves.flush_sync(None)
        leaves.close_sync(None)  # sent, and gone, before the loop here has run
        assert service.cancelled.get() == 7


def test_a_cancelled_call_is_dropped_and_the_next_ones_work(
    bus: Gio.DBusConnection, client: Gio.DBusConnection
) -> None:
    with export(bus, "/slow", Service()) as service:
        slow = proxy(client, bus.get_unique_name(), "/slow", Slow)
        call = spawn(slow.work, 1)
        assert service.begun.get() == 1
        call.cancel()
        with pytest.raises(Cancelled):
            call.result()
        again = spawn(slow.work, 2)
        assert service.begun.get() == 2
        assert not again.done()
    with pytest.raises(GLib.Error):
        again.result()


def test_a_killed_daemon_ends_calls_on_both_sides() -> None:
    with daemon() as running:
        bus, client = connect(running.address), connect(running.address)
        with export(bus, "/slow", Service()) as service, own_name(bus, "org.example.Slow") as name:
            slow = proxy(client, "org.example.Slow", "/slow", Slow)
            call = spawn(slow.work, 1)
            assert service.begun.get() == 1
            running.kill()
            assert service.cancelled.get() == 1
            with pytest.raises(GLib.Error) as info:
                call.result()
            assert info.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CLOSED)
            name.wait_lost()
            with pytest.raises(GLib.Error):
                slow.work(2)
    for use in (
        lambda: export(bus, "/slow", Service()).__enter__(),
        lambda: own_name(bus, "org.example.Slow").__enter__(),
    ):
        with pytest.raises(ConnectionResetError):
            use()


KILLED = """
import os, signal
from gi.repository import Gio
import gleenlet

bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
{line}
pid = gleenlet.call(
    bus.call, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetConnectionUnixProcessID",
    gleenlet_variant("(s)", ("org.freedesktop.DBus",)), None, Gio.DBusCallFlags.NONE, -1,
).unpack()[0]
print("killing")
os.kill(pid, signal.SIGKILL)
gleenlet.wait_signal(bus, "closed")
gleenlet.sleep(0)
print("alive")
""".replace("gleenlet_variant", "gleenlet.dbus._convert.pack").replace("import gleenlet\n", "import gleenlet.dbus\n")


@pytest.mark.parametrize(("line", "output"), [("", "killing\n"), ("bus.set_exit_on_close(False)", "killing\nalive\n")])
def test_the_shared_connection_ends_the_process_unless_it_is_told_not_to(line: str, output: str) -> None:
    outcome = run_script(KILLED.format(line=line), bus=True)
    assert outcome.stdout == output, outcome.stderr


def test_ten_thousand_calls_at_once(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    count = 10_000

    class All(Slow):
        def __init__(self) -> None:
            self.running = 0
            self.everybody = gleenlet.Event()

        def work(self, number: int) -> int:
            self.running += 1
            if self.running == count:
                self.everybody.set()
            self.everybody.wait()  # so that no call ends before all have begun
            return number

    with export(bus, "/slow", All()) as service:
        slow = proxy(client, bus.get_unique_name(), "/slow", Slow)
        calls = [spawn(slow.work, number) for number in range(count)]
        assert [call.result() for call in calls] == list(range(count))
        assert service.running == count


@interface("org.example.Noisy")
class Noisy:
    level: Property[int]
    happened: Signal[int]


class NoisyService(Noisy):
    def __init__(self) -> None:
        self.level = 1


def test_every_wait_takes_back_what_it_registered(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with export(bus, "/noisy", NoisyService()), own_name(bus, "org.example.Noisy"):
        noisy = proxy(client, "org.example.Noisy", "/noisy", Noisy)
        assert not has_handler(client, "closed")
        with noisy.happened:
            assert has_handler(client, "closed")
        with pytest.raises(TimeoutError):
            noisy.happened.wait(timeout=0)
        with watch_name(client, "org.example.Noisy") as owners:
            assert next(owners)
        wait_for_name(client, "org.example.Noisy")
        assert not has_handler(client, "closed")
        values = watch(noisy, Noisy.level)
        assert next(values) == 1
        assert has_handler(client, "closed")
        del values, noisy
        assert not has_handler(client, "closed")
        assert has_handler(bus, "closed")
    assert not has_handler(bus, "closed")

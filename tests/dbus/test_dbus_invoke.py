"""Calls on a real bus, in C and through PyGObject: the same answers, the same errors, nothing left behind."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gi.repository import Gio, GLib

import gleenlet
from gleenlet import Cancelled, Event, call, sleep, spawn
from gleenlet._core import Waiter
from gleenlet.dbus import _convert, _gvariant, _plain
from gleenlet.dbus._convert import invoke
from gleenlet.dbus._gvariant import start
from inside import in_task, settle

BUS, BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
NAME, PATH = "org.example.Invoke", "/org/example/invoke"
XML = f"""<node><interface name="{NAME}">
    <method name="Echo"><arg type="v"/><arg type="v" direction="out"/></method>
    <method name="Files"><arg type="ah"/><arg type="ah" direction="out"/></method>
    <method name="Later"/>
    <method name="Fail"/>
</interface></node>"""


def connect() -> Gio.DBusConnection:
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SESSION, None)
    return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


class Service:
    """Echoes what it gets, copies of the descriptors too; `Later` is answered when told."""

    def __init__(self) -> None:
        self.connection = connect()
        self.waiting: list[Gio.DBusMethodInvocation] = []
        self.arrived = Event()
        info = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
        self.connection.register_object(PATH, info, self.called, None, None)
        self.name = self.connection.get_unique_name() or ""

    def called(
        self, _: object, sender: str, path: str, interface: str, member: str, args: Any, invocation: Any
    ) -> None:
        if member == "Later":
            self.waiting.append(invocation)
            self.arrived.set()
        elif member == "Fail":
            invocation.return_dbus_error("org.example.Error.Busy", "not now")
        else:
            came = invocation.get_message().get_unix_fd_list()
            given = (
                None if came is None else Gio.UnixFDList.new_from_array(came.steal_fds())
            )  # older GLibs leak the message
            invocation.return_value_with_unix_fd_list(args, given)

    def answer(self, *fds: int) -> None:
        given = Gio.UnixFDList.new_from_array(list(map(os.dup, fds)))
        self.waiting.pop().return_value_with_unix_fd_list(None, given)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.connection.close_sync(None)
    settle()


@pytest.fixture
def bus() -> Iterator[Gio.DBusConnection]:
    connection = connect()
    yield connection
    if not connection.is_closed():
        connection.close_sync(None)
    settle()


@pytest.fixture(params=[_gvariant, _plain], ids=["native", "plain"])
def converter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(_convert, "converter", request.param)
    return request.param


Ask = Callable[..., tuple[tuple[Any, ...], list[int]]]


@pytest.fixture
def ask(converter: object, bus: Gio.DBusConnection, service: Service) -> Ask:
    """Call a method of the service."""

    def ask(
        member: str, signature: str = "()", args: tuple[Any, ...] = (), reply: str | None = None, fds: Any = ()
    ) -> tuple[tuple[Any, ...], list[int]]:
        return invoke(bus, service.name, PATH, NAME, member, signature, args, reply, 0, fds)

    return ask


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def failure(function: Callable[..., object], *args: Any) -> tuple[object, ...]:
    with pytest.raises(GLib.Error) as info:
        function(*args)
    return type(info.value), info.value.domain, info.value.code, info.value.message


@in_task
def test_a_call_returns_what_the_reply_holds(ask: Ask) -> None:
    value = ("a", 1, [b"x"], {"k": True})
    assert ask("Echo", "(v)", (value,), "(v)") == ((value,), [])
    assert ask("Echo", "(v)", (1,)) == ((1,), [])


@in_task
@pytest.mark.parametrize(
    ("name", "path", "interface", "member", "signature", "args", "reply"),
    [
        (BUS, BUS_PATH, BUS, "NoSuchMethod", "()", (), None),
        (BUS, BUS_PATH, BUS, "GetId", "(s)", ("one too many",), None),
        (BUS, BUS_PATH, BUS, "GetId", "()", (), "(i)"),
        ("org.example.nobody", "/", BUS, "GetId", "()", (), None),
    ],
)
def test_an_error_is_the_one_that_pygobject_raises(
    converter: object,
    bus: Gio.DBusConnection,
    name: str,
    path: str,
    interface: str,
    member: str,
    signature: str,
    args: tuple[Any, ...],
    reply: str | None,
) -> None:
    wanted = None if reply is None else GLib.VariantType(reply)
    parameters = GLib.Variant(signature, args)
    flags = Gio.DBusCallFlags.NONE
    expected = failure(call, bus.call, name, path, interface, member, parameters, wanted, flags, -1)
    assert failure(invoke, bus, name, path, interface, member, signature, args, reply, 0, ()) == expected


@in_task
def test_an_error_of_the_service_has_its_name(ask: Ask) -> None:
    with pytest.raises(GLib.Error) as info:
        ask("Fail")
    assert Gio.dbus_error_get_remote_error(info.value) == "org.example.Error.Busy"


@in_task
def test_a_call_on_a_closed_connection_fails(bus: Gio.DBusConnection, ask: Ask) -> None:
    bus.close_sync(None)
    with pytest.raises(GLib.Error) as info:
        ask("Later")
    assert info.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CLOSED)


@in_task
def test_a_connection_that_is_closed_meanwhile_fails_the_call(
    bus: Gio.DBusConnection, service: Service, ask: Ask
) -> None:
    task = spawn(ask, "Later")
    service.arrived.wait()
    bus.close_sync(None)
    with pytest.raises(GLib.Error) as info:
        task.result()
    assert info.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CLOSED)


@in_task
@pytest.mark.parametrize(
    ("name", "path", "interface", "member", "text"),
    [
        ("no name", BUS_PATH, BUS, "GetId", "'no name' is not a D-Bus bus name"),
        (BUS, "no path", BUS, "GetId", "'no path' is not a D-Bus object path"),
        (BUS, BUS_PATH, "interface", "GetId", "'interface' is not a D-Bus interface name"),
        (BUS, BUS_PATH, BUS, "no member", "'no member' is not a D-Bus member name"),
    ],
)
def test_what_gdbus_would_never_answer_is_refused(
    converter: object, bus: Gio.DBusConnection, name: str, path: str, interface: str, member: str, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        invoke(bus, name, path, interface, member, "()", (), None, 0, ())


@pytest.mark.parametrize(
    ("at", "wrong", "error"),
    [
        (0, None, TypeError),
        (0, Gio.Cancellable(), TypeError),
        (1, 1, TypeError),
        (1, BUS + "\0", ValueError),
        (1, "\ud800", UnicodeEncodeError),
        (5, "s", ValueError),
        (5, "(", ValueError),
        (6, (1,), TypeError),
        (7, "(", ValueError),
        (8, "0", TypeError),
        (9, None, TypeError),
        (9, [None], TypeError),
        (9, [10**6], GLib.Error),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(
    bus: Gio.DBusConnection, at: int, wrong: object, error: type[Exception]
) -> None:
    before = bus.get_last_serial()
    args: list[Any] = [bus, BUS, BUS_PATH, BUS, "GetId", "()", (), "(s)", 0, ()]
    args[at] = wrong
    with pytest.raises(error):
        start(Waiter(), *args)
    with pytest.raises(TypeError, match="start\\(\\) takes 11 arguments"):
        start(*args)
    assert bus.get_last_serial() == before


@in_task
def test_descriptors_are_copied_there_and_back(ask: Ask) -> None:
    before = descriptors()
    reader, writer = os.pipe()
    (indices,), fds = ask("Files", "(ah)", ([0, 1],), "(ah)", [reader, writer])
    assert indices == [0, 1]
    os.write(fds[1], b"through the copy")
    assert os.read(reader, 100) == b"through the copy"
    for fd in reader, writer, *fds:
        os.close(fd)
    gc.collect()
    settle_until(lambda: descriptors() <= before)


def settle_until(done: Callable[[], bool]) -> None:
    """GDBus's thread drops messages when it comes to it."""
    while not done():
        sleep(0.001)


@in_task
def test_a_cancelled_call_is_cancelled_at_once(service: Service, ask: Ask) -> None:
    task = spawn(ask, "Later")
    service.arrived.wait()
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    service.answer()
    assert ask("Echo", "(v)", (1,)) == ((1,), [])  # the late reply came before this one, and was dropped


@in_task
def test_what_comes_for_a_cancelled_task_is_dropped(bus: Gio.DBusConnection, service: Service) -> None:
    gc.collect()
    waiter = Waiter()
    before = sys.getrefcount(waiter)
    open_before = descriptors()
    pending = start(waiter, bus, service.name, PATH, NAME, "Later", "()", (), None, 0, ())
    service.arrived.wait()
    reader, writer = os.pipe()
    service.answer(reader, writer)
    pending.cancel()
    pending.cancel()
    while sys.getrefcount(pending) > 2:  # one is GDBus's, until it is done with the call
        sleep(0.001)
    assert sys.getrefcount(waiter) == before
    assert not waiter.woken
    del pending
    os.close(reader)
    os.close(writer)
    gc.collect()
    settle_until(lambda: descriptors() <= open_before)


@in_task
def test_a_result_that_nobody_takes_closes_its_descriptors(bus: Gio.DBusConnection, service: Service) -> None:
    open_before = descriptors()
    waiter = Waiter()
    pending = start(waiter, bus, service.name, PATH, NAME, "Later", "()", (), None, 0, ())
    with pytest.raises(RuntimeError, match="not yet answered"):
        pending.result()
    service.arrived.wait()
    reader, writer = os.pipe()
    service.answer(reader, writer)
    waiter.wait()
    del pending
    os.close(reader)
    os.close(writer)
    gc.collect()
    settle_until(lambda: descriptors() <= open_before)


@in_task
def test_a_result_is_taken_once(bus: Gio.DBusConnection) -> None:
    waiter = Waiter()
    pending = start(waiter, bus, BUS, BUS_PATH, BUS, "GetId", "()", (), "(s)", 0, ())
    waiter.wait()
    assert len(pending.result()[0]) == 1
    with pytest.raises(RuntimeError, match="was taken"):
        pending.result()


def test_a_call_at_top_level_drives_the_loop(bus: Gio.DBusConnection, converter: object) -> None:
    (name,), _ = invoke(bus, BUS, BUS_PATH, BUS, "GetNameOwner", "(s)", (BUS,), "(s)", 0, ())
    assert name == BUS


def test_a_call_in_another_thread_is_answered_in_its_context(bus: Gio.DBusConnection, converter: object) -> None:
    found: list[Any] = []

    def ask_there() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        try:
            found.append(gleenlet.run(invoke, bus, BUS, BUS_PATH, BUS, "GetNameOwner", "(s)", (BUS,), "(s)", 0, ()))
        finally:
            context.pop_thread_default()

    thread = threading.Thread(target=ask_there)
    thread.start()
    thread.join()
    assert found == [((BUS,), [])]


@in_task
def test_ten_thousand_calls_at_once_are_all_answered(bus: Gio.DBusConnection) -> None:
    def ask(i: int) -> Any:
        return invoke(bus, BUS, BUS_PATH, BUS, "NameHasOwner", "(s)", (f"org.example.n{i}",), "(b)")

    tasks = [spawn(ask, i) for i in range(10_000)]
    assert [task.result() for task in tasks] == [((False,), [])] * 10_000


@in_task
def test_a_reply_for_a_loop_that_has_ended_is_told(bus: Gio.DBusConnection, service: Service) -> None:
    class Gone:
        def wake(self) -> None:
            raise RuntimeError("the loop has ended")

    unraisable: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        start(Gone(), bus, BUS, BUS_PATH, BUS, "GetId", "()", (), "(s)", 0, ())  # type: ignore[arg-type]
        settle_until(lambda: bool(unraisable))
    finally:
        sys.unraisablehook = hook
    assert str(unraisable[0].exc_value) == "the loop has ended"


@in_task
def test_the_deepest_value_is_one_that_the_bus_takes(bus: Gio.DBusConnection, service: Service) -> None:
    def echo(value: Any) -> Any:
        return invoke(bus, service.name, PATH, NAME, "Echo", "(v)", (value,), None, 0, ())[0][0]

    deepest: Any = 1
    for _ in range(21):
        deepest = {"a": deepest}  # three levels each: array, entry, variant
    with pytest.raises(ValueError, match="nested"):
        echo((deepest,))
    assert echo(deepest) == deepest
    assert not bus.is_closed()  # as the bus does for one level more

"""Services, callers and objects that do what they should not: it stays theirs, and nothing is left behind."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import make_dataclass
from typing import Any

import pytest
from gi.repository import Gio, GLib

import gleenlet
from gleenlet import Cancelled, Event, GleenletError, spawn
from gleenlet.dbus import (
    NameLost,
    ObjectManager,
    Property,
    Signal,
    error,
    export,
    interface,
    introspection,
    object_manager,
    own_name,
    proxy,
    watch,
)
from inside import in_task, settle

NAME, PATH = "org.example.Hostile", "/org/example/hostile"
INTROSPECTABLE = '<interface name="org.freedesktop.DBus.Introspectable"><method name="Introspect">\
<arg type="s" direction="out"/></method></interface>'


@error("org.example.Hostile.Named")
class Named(Exception):
    pass


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@interface(NAME)
class Hostile:
    def fail(self, how: str) -> bytes: ...

    level: Property[int]
    changed: Signal[int]
    computed: Property[int]


FAILURES: dict[str, Callable[[], Exception]] = {
    "zero": lambda: ValueError("a\0b"),
    "file name": lambda: FileNotFoundError(os.fsdecode(b"caf\xe9")),
    "named": lambda: Named("\udce9"),
    "glib": lambda: GLib.Error("a\0b", "no such domain", 1),
    "unshowable": Unshowable,
    "long": lambda: ValueError("a" * 2**20),
}


class Service(Hostile):
    def __init__(self) -> None:
        self.level = 1
        self.compute: Callable[[], int] = lambda: 1

    def fail(self, how: str) -> bytes:
        if how == "huge":
            return bytes(2**26 + 1)
        raise FAILURES[how]()

    @Hostile.computed.getter
    def get_computed(self) -> int:
        return self.compute()


@pytest.fixture
def service(bus: Gio.DBusConnection) -> Iterator[Service]:
    with export(bus, PATH, Service()) as service:
        yield service


@pytest.fixture
def hostile(service: Service, bus: Gio.DBusConnection, client: Gio.DBusConnection) -> Hostile:
    return proxy(client, bus.get_unique_name(), PATH, Hostile)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    errors: list[BaseException] = []
    monkeypatch.setattr("sys.excepthook", lambda kind, error, traceback: errors.append(error))
    return errors


# ---- errors that D-Bus cannot tell as they are ----


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("zero", r"ValueError: a\0b"),
        ("file name", r"FileNotFoundError: caf\udce9"),
        ("unshowable", "Unshowable: (its text cannot be shown)"),
        ("long", "ValueError: aaaa"),
        ("huge", "ValueError: too large for D-Bus"),
    ],
)
def test_any_error_is_told_and_reported(hostile: Hostile, reported: list[BaseException], how: str, text: str) -> None:
    with pytest.raises(GLib.Error) as failure:
        hostile.fail(how)

    assert text in failure.value.message
    assert len(failure.value.message) < 2**18  # more than the bus takes closes the connection
    assert len(reported) == 1
    assert type(reported[0]).__name__ in failure.value.message


def test_errors_with_names_are_told_with_any_text(hostile: Hostile, reported: list[BaseException]) -> None:
    with pytest.raises(Named, match=r"\\udce9"):
        hostile.fail("named")
    with pytest.raises(GLib.Error):
        hostile.fail("glib")
    assert reported == []


# ---- objects that come and go ----


def test_a_property_that_fails_hides_no_others(
    service: Service, hostile: Hostile, reported: list[BaseException]
) -> None:
    service.compute = lambda: 1 // 0

    assert hostile.level == 1

    assert [type(error) for error in reported] == [ZeroDivisionError]
    with pytest.raises(GLib.Error, match="ZeroDivisionError"):
        assert hostile.computed


def test_the_manager_tells_of_objects_without_the_properties_that_fail(
    bus: Gio.DBusConnection, client: Gio.DBusConnection, reported: list[BaseException]
) -> None:
    failing = Service()
    failing.compute = lambda: 1 // 0
    objects = proxy(client, bus.get_unique_name(), "/org", ObjectManager)
    with object_manager(bus, "/org"), objects.interfaces_added as added, export(bus, PATH, failing):
        assert next(added) == (PATH, {NAME: {"level": 1}})
        assert objects.get_managed_objects() == {PATH: {NAME: {"level": 1}}}
    assert len(reported) == 2


@in_task
def test_a_cancelled_export_is_undone(bus: Gio.DBusConnection) -> None:
    asked = Event()

    def compute() -> int:
        asked.set()
        gleenlet.sleep(60)
        return 1

    def serve() -> None:
        with export(bus, PATH, service):
            pass

    service = Service()
    service.compute = compute
    with object_manager(bus, "/org"):
        task = spawn(serve)
        asked.wait()
        task.cancel()
        with pytest.raises(Cancelled):
            task.result()
        service.compute = lambda: 1
        serve()


@in_task
def test_objects_that_go_while_others_are_asked(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    asked, go_on = Event(), Event()

    def compute() -> int:
        asked.set()
        go_on.wait()
        return 1

    slow = Service()
    first = export(bus, "/org/first", Service())
    first.__enter__()
    with object_manager(bus, "/org"), export(bus, "/org/slow", slow), export(bus, "/org/last", Service()):
        slow.compute = compute
        objects = spawn(proxy(client, bus.get_unique_name(), "/org", ObjectManager).get_managed_objects)
        asked.wait()
        first.__exit__(None, None, None)
        go_on.set()
        assert set(objects.result()) >= {"/org/slow", "/org/last"}


# ---- what a proxy keeps ----


def test_watch_keeps_its_proxy(service: Service, bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    player = proxy(client, bus.get_unique_name(), PATH, Hostile)
    values = watch(player, Hostile.level)
    assert next(values) == 1
    del player
    gc.collect()

    service.level = 2

    with gleenlet.timeout(30):
        assert next(values) == 2


def test_a_loss_is_told_to_who_looks_late(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with export(bus, PATH, Service()):
        with own_name(bus, "org.example.Comes"):
            values = watch(proxy(client, "org.example.Comes", PATH, Hostile), Hostile.level)
            assert next(values) == 1
        with own_name(bus, "org.example.Comes"):
            settle()
            with pytest.raises(NameLost):
                next(values)


# ---- other threads ----


@in_task
def test_who_would_not_be_woken_in_another_thread_is_refused(service: Service, hostile: Hostile) -> None:
    values = watch(hostile, Hostile.level)
    assert next(values) == 1
    with hostile.changed as emissions:
        for steps in (values, emissions, watch(hostile, Hostile.level)):
            with pytest.raises(GleenletError, match="belongs to the thread"):
                gleenlet.to_thread(next, steps)
        service.changed.emit(2)
        assert next(emissions) == (2,)


def test_properties_are_known_where_the_proxy_was_made_and_asked_for_elsewhere(
    service: Service, hostile: Hostile
) -> None:
    def read() -> int:
        return hostile.level

    for level in (1, 2, 3):
        service.level = level
        assert gleenlet.to_thread(read) == level
        settle()
        assert read() == level


# ---- objects that say what is not so ----


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_descriptors_that_nobody_asked_for_are_closed(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    properties = Gio.DBusNodeInfo.new_for_xml(
        '<node><interface name="org.freedesktop.DBus.Properties"><method name="GetAll"><arg type="s"/>'
        '<arg type="a{sv}" direction="out"/></method></interface></node>'
    ).interfaces[0]

    def called(*call: Any) -> None:
        fds = Gio.UnixFDList()
        fds.append(0)
        call[-1].return_value_with_unix_fd_list(GLib.Variant("(a{sv})", ({"level": GLib.Variant("i", 7)},)), fds)

    number = bus.register_object(PATH, properties, called, None, None)
    assert proxy(client, bus.get_unique_name(), PATH, Hostile).level == 7
    settle()
    before = open_descriptors()

    for _ in range(5):
        assert proxy(client, bus.get_unique_name(), PATH, Hostile).level == 7

    settle()
    assert open_descriptors() == before
    bus.unregister_object(number)


@pytest.fixture
def said(bus: Gio.DBusConnection) -> Iterator[list[str]]:
    """What an object says of itself, to be filled in."""
    members: list[str] = []
    info = Gio.DBusNodeInfo.new_for_xml(f"<node>{INTROSPECTABLE}</node>").interfaces[0]

    def called(*call: Any) -> None:
        xml = f'<node><interface name="{NAME}">{"".join(members)}</interface></node>'
        call[-1].return_value(GLib.Variant("(s)", (xml,)))

    number = bus.register_object(PATH, info, called, None, None)
    yield members
    bus.unregister_object(number)


@in_task
def test_names_that_mean_something_to_python_are_no_members(
    said: list[str], bus: Gio.DBusConnection, client: Gio.DBusConnection
) -> None:
    said += [f'<method name="{name}"/>' for name in ("__del__", "__class__", "__init__", "_remote", "Works")]
    said += ['<property name="__slots__" type="i" access="read"/>', '<signal name="__dict__"/>']

    made = proxy(client, bus.get_unique_name(), PATH)

    assert [name for name in vars(type(made)) if "__" not in name] == ["Works"]
    assert repr(made) == f"<proxy Object of {bus.get_unique_name()} at {PATH}>"


@pytest.mark.parametrize("kind", ["", "a{", "mi", "ii", "()", "zz", "a{vs}", "a" * 40 + "i"])
@in_task
def test_types_that_are_none_are_refused(
    said: list[str], bus: Gio.DBusConnection, client: Gio.DBusConnection, kind: str
) -> None:
    said.append(f'<method name="Works"><arg type="{kind}"/></method>')

    with pytest.raises(TypeError, match="which D-Bus has not"):
        proxy(client, bus.get_unique_name(), PATH)


# ---- types that are too large ----


def test_a_type_that_is_too_large_is_refused_where_it_is_declared() -> None:
    many = make_dataclass("many", [(f"field{number}", int) for number in range(300)])
    deep: Any = int
    for _ in range(33):
        deep = list[deep]
    kind: Any
    for kind in (many, deep):
        with pytest.raises(TypeError, match="more than a D-Bus type may be"):
            interface(NAME)(type("TooLarge", (), {"__annotations__": {"large": Property[kind]}}))


def test_members_whose_types_are_too_many_are_refused_where_they_are_declared() -> None:
    kinds: Any = tuple([int] * 256)

    def method(self: object) -> None: ...

    method.__annotations__["return"] = tuple[kinds]
    for members in ({"large": method}, {"__annotations__": {"large": Signal[kinds]}}):
        with pytest.raises(TypeError, match="large: all types of a message have 255"):
            interface(NAME)(type("TooLarge", (), members))

    kinds = kinds[1:]
    assert introspection(interface(NAME)(type("Fits", (), {"__annotations__": {"fits": Signal[kinds]}})))

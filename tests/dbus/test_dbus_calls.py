"""Calls between a proxy and a service, over a real bus."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

import enum
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from gi.repository import Gio, GLib

import gleenlet
from buses import remote_name
from gleenlet import Cancelled, Event, GleenletError, Queue, Task, sleep, spawn
from gleenlet.dbus import (
    AccessDenied,
    FileDescriptor,
    Int64,
    ObjectPath,
    Property,
    current_call,
    error,
    export,
    interface,
    method,
    proxy,
)
from inside import FOREVER, in_task


@dataclass
class Hit:
    path: str
    line: int


class Order(enum.Enum):
    UP = "up"
    DOWN = "down"


@error("org.example.Files.Busy")
class Busy(Exception):
    pass


class VeryBusy(Busy):
    pass


@error("org.example.Files.Coded")
class Coded(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")


@interface("org.example.Files", names="CamelCase")
class Files:
    def search(self, text: str, limit: int = 10, order: Order = Order.UP) -> list[Hit]: ...
    def pair(self) -> tuple[int, str]: ...
    def one(self) -> tuple[tuple[int, str]]: ...
    def nothing(self) -> None: ...
    def big(self, number: Int64) -> Int64: ...
    def anything(self, value: Any) -> Any: ...
    def path(self, path: ObjectPath) -> ObjectPath: ...
    def fail(self, how: str) -> int: ...
    def wait(self, seconds: float) -> str: ...
    def who(self) -> str: ...
    def read(self, file: FileDescriptor) -> str: ...
    def pipe(self, text: str) -> tuple[str, FileDescriptor]: ...
    @method(no_reply=True)
    def note(self, text: str) -> None: ...


class Service(Files):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.started = Event()
        self.ended: list[str] = []

    def search(self, text: str, limit: int = 10, order: Order = Order.UP) -> list[Hit]:
        hits = [Hit(f"{text}{i}", i) for i in range(limit)]
        return hits if order is Order.UP else hits[::-1]

    def pair(self) -> tuple[int, str]:
        return 1, "one"

    def one(self) -> tuple[tuple[int, str]]:
        return ((1, "one"),)

    def nothing(self) -> None:
        pass

    def big(self, number: Int64) -> Int64:
        return number + 1

    def anything(self, value: Any) -> Any:
        return value

    def path(self, path: ObjectPath) -> ObjectPath:
        return ObjectPath(f"{path}/below")

    def fail(self, how: str) -> int:
        if how == "busy":
            raise VeryBusy("try later")
        if how == "coded":
            raise Coded(5, "five")
        if how == "denied":
            raise AccessDenied("not you")
        if how == "glib":
            raise GLib.Error.new_literal(Gio.io_error_quark(), "no such file", Gio.IOErrorEnum.NOT_FOUND)
        if how == "result":
            return "text"  # type: ignore[return-value]
        raise ZeroDivisionError("division by zero")

    def wait(self, seconds: float) -> str:
        self.started.set()
        try:
            sleep(seconds)
        except Cancelled:
            self.ended.append("cancelled")
            raise
        return "waited"

    def who(self) -> str:
        call = current_call()
        assert spawn(current_call).result() is call
        assert repr(call) == f"<call of org.example.Files.Who by {call.sender}>"
        assert call.uid == call.uid == os.getuid()
        return f"{call.sender} {call.path} {call.interface} {call.member} {int(call.flags)} {len(call.fds)}"

    def read(self, file: FileDescriptor) -> str:
        assert current_call().fds == [file]
        with os.fdopen(file.detach()) as stream:
            return stream.read()

    def pipe(self, text: str) -> tuple[str, FileDescriptor]:
        reader, writer = os.pipe()
        with os.fdopen(writer, "w") as stream:
            stream.write(text)
        return text, FileDescriptor(reader)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def service(bus: Gio.DBusConnection) -> Iterator[Service]:
    with export(bus, "/files", Service()) as running:
        yield running


@pytest.fixture
def files(service: Service, bus: Gio.DBusConnection, client: Gio.DBusConnection) -> Files:
    return proxy(client, bus.get_unique_name(), "/files", Files)


def test_arguments_and_results_are_of_their_types(files: Files) -> None:
    assert files.search("a", 2) == [Hit("a0", 0), Hit("a1", 1)]
    assert files.search(order=Order.DOWN, text="b", limit=2) == [Hit("b1", 1), Hit("b0", 0)]
    assert len(files.search("c")) == 10
    assert files.pair() == (1, "one")
    assert files.one() == ((1, "one"),)
    assert files.nothing() is None
    assert files.big(2**40) == 2**40 + 1
    assert files.path(ObjectPath("/a")) == ObjectPath("/a/below")
    assert files.anything({"a": [1, "x", b"y"]}) == {"a": [1, "x", b"y"]}


def test_wrong_arguments_are_refused_before_anything_is_sent(files: Files) -> None:
    for args, kwargs, said in [
        ((), {}, "missing its argument 'text'"),
        (("a", 1, Order.UP, 2), {}, "takes 3 arguments, 4 were given"),
        (("a",), {"text": "b"}, "got twice argument 'text'"),
        (("a",), {"size": 1}, "has no argument 'size'"),
    ]:
        with pytest.raises(TypeError, match=said):
            files.search(*args, **kwargs)  # type: ignore[arg-type]
    with pytest.raises(OverflowError, match="2147483648") as info:
        files.search("a", 2**31)
    assert info.value.__notes__ == ["(in a call of org.example.Files.Search)"]
    with pytest.raises(ValueError, match="object path"):
        files.path("here")  # type: ignore[arg-type]


def test_malformed_arguments_are_refused_by_the_service(
    files: Files, bus: Gio.DBusConnection, client: Gio.DBusConnection
) -> None:
    for member, args in [
        ("Search", GLib.Variant("(i)", (1,))),
        ("Search", GLib.Variant("(sis)", ("a", 1, "sideways"))),
        ("Read", GLib.Variant("(h)", (3,))),
        ("Nothing", GLib.Variant("(s)", ("a",))),
    ]:
        with pytest.raises(GLib.Error) as info:
            gleenlet.call(
                client.call,
                bus.get_unique_name(),
                "/files",
                "org.example.Files",
                member,
                args,
                None,
                Gio.DBusCallFlags.NONE,
                -1,
            )
        assert remote_name(info.value) == "org.freedesktop.DBus.Error.InvalidArgs"
    assert files.nothing() is None


def test_errors_keep_their_class_their_name_or_their_text(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Busy, match=r"^try later$"):
        files.fail("busy")
    with pytest.raises(GLib.Error, match="5 five"):
        files.fail("coded")
    with pytest.raises(PermissionError, match=r"^not you$"):
        files.fail("denied")
    with pytest.raises(GLib.Error, match="no such file") as info:
        files.fail("glib")
    assert info.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND)
    assert capsys.readouterr().err == ""
    with pytest.raises(GLib.Error, match="ZeroDivisionError: division by zero") as info:
        files.fail("otherwise")
    assert remote_name(info.value) == "org.freedesktop.DBus.Error.Failed"
    assert "(in <call of org.example.Files.Fail by" in capsys.readouterr().err
    with pytest.raises(GLib.Error, match=r"TypeError: .* an int"):
        files.fail("result")
    capsys.readouterr()


def test_who_gives_something_for_nothing_is_told(
    files: Files, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Service, "nothing", lambda self: 1)
    with pytest.raises(GLib.Error, match=r"nothing\(\) returned 1: None is needed"):
        files.nothing()
    capsys.readouterr()


def test_an_error_name_has_one_class() -> None:
    with pytest.raises(ValueError, match="Busy's already"):
        error("org.example.Files.Busy")(ValueError)
    with pytest.raises(ValueError, match="no D-Bus error name"):
        error("busy")
    with pytest.raises(TypeError, match="class of exceptions"):
        error("org.example.Error.Other")(int)  # type: ignore[type-var]


def test_a_method_may_wait_and_others_go_on(files: Files) -> None:
    slow = spawn(files.wait, 0.05)
    assert files.pair() == (1, "one")
    assert not slow.done()
    assert slow.result() == "waited"


@in_task
def test_a_timeout_ends_a_call(client: Gio.DBusConnection, bus: Gio.DBusConnection) -> None:
    with export(bus, "/files", Service()):
        files = proxy(client, bus.get_unique_name(), "/files", Files)
        with pytest.raises(TimeoutError), gleenlet.timeout(0.01):
            files.wait(FOREVER)
        assert files.pair() == (1, "one")


def test_the_end_of_an_export_cancels_its_calls(client: Gio.DBusConnection, bus: Gio.DBusConnection) -> None:
    with export(bus, "/files", Service()) as service:
        files = proxy(client, bus.get_unique_name(), "/files", Files)
        call = spawn(files.wait, FOREVER)
        service.started.wait()
    assert service.ended == ["cancelled"]
    with pytest.raises(GLib.Error, match="the service cancelled this call"):
        call.result()
    with pytest.raises(GLib.Error) as info:
        files.pair()
    assert remote_name(info.value) == "org.freedesktop.DBus.Error.UnknownMethod"


def test_a_call_knows_who_calls(files: Files, client: Gio.DBusConnection) -> None:
    assert files.who() == f"{client.get_unique_name()} /files org.example.Files Who 0 0"
    with pytest.raises(GleenletError, match="no D-Bus call"):
        current_call()


def test_descriptors_travel_and_stay_whose_they_are(files: Files) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        stream.write("hello")
    with FileDescriptor(reader) as mine:
        assert files.read(mine) == "hello"
        assert os.fstat(mine.fileno())
    text, descriptor = files.pipe("back")
    with os.fdopen(descriptor.detach()) as received:
        assert (text, received.read()) == ("back", "back")


def test_no_descriptor_is_left_open(files: Files) -> None:
    files.pipe("x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        files.pipe("x")
        files.anything(FileDescriptor.dup(0))
    while len(os.listdir("/proc/self/fd")) > before:  # GDBus' thread lets go of a message a little later
        sleep(0.001)


def test_a_call_without_a_reply_waits_for_nothing(files: Files, service: Service) -> None:
    files.note("a")
    assert service.notes == []
    files.nothing()
    assert service.notes == ["a"]


def test_a_proxy_has_the_members_of_its_interface_and_no_others(files: Files) -> None:
    public = {name for name in dir(files) if not name.startswith("_")}
    assert public == {name for name in vars(Files) if not name.startswith("_")}
    with pytest.raises(AttributeError, match="no property 'speed'"):
        files.speed = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        files.pair = None  # type: ignore[assignment,method-assign]
    assert repr(files).startswith("<proxy Files of :1.")


def test_what_cannot_be_called_is_refused(client: Gio.DBusConnection) -> None:
    with pytest.raises(ValueError, match="no bus name"):
        proxy(client, "files", "/files", Files)
    with pytest.raises(ValueError, match="no object path"):
        proxy(client, "org.example.Files", "files", Files)
    with pytest.raises(TypeError, match="decorate it"):
        proxy(client, "org.example.Files", "/files", Hit)
    with pytest.raises(GLib.Error) as info:
        proxy(client, "org.example.Nobody", "/files", Files).nothing()
    assert remote_name(info.value) == "org.freedesktop.DBus.Error.ServiceUnknown"


# ---- what cannot be exported ----


def test_an_object_that_could_not_answer_is_refused(bus: Gio.DBusConnection) -> None:
    @interface("org.example.Half")
    class Half:
        def documented(self) -> int:
            """Has a docstring and no body."""

        def empty(self, text: str) -> None: ...
        def done(self) -> int:
            return 1

        size: Property[int]

    with pytest.raises(
        TypeError, match=r"Half cannot .*: documented\(\) has no body; empty\(\) has no body; size has no value\."
    ):
        export(bus, "/half", Half())

    class Slots(Files):
        __slots__ = ()

    with pytest.raises(ValueError, match="no object path"):
        export(bus, "half", Service())
    with pytest.raises(TypeError, match="decorate it"):
        export(bus, "/half", 1)


def test_an_object_needs_a_dict(bus: Gio.DBusConnection) -> None:
    @interface("org.example.Slots")
    class Slots:
        __slots__ = ()

        def done(self) -> int:
            return 1

    with pytest.raises(TypeError, match="__slots__"):
        export(bus, "/slots", Slots())


def test_a_path_holds_an_interface_once(bus: Gio.DBusConnection, service: Service) -> None:
    with pytest.raises(GleenletError, match="/files cannot be exported"):
        with export(bus, "/files", Service()):
            pass
    once = export(bus, "/other", Service())
    with once, pytest.raises(GleenletError, match="entered already"):
        once.__enter__()


# ---- limits ----


@interface("org.example.Slow")
class Slow:
    def work(self, number: int) -> int: ...

    size: Property[int]


class SlowService(Slow):
    def __init__(self) -> None:
        self.begun: Queue[int] = Queue()
        self.size = 3
        self.running = 0
        self.most = 0
        self.go = Event()

    def work(self, number: int) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.put(number)
        try:
            self.go.wait()
        finally:
            self.running -= 1
        return number


def outcome(task: Task[int]) -> object:
    """Its result, or why it has none."""
    error = task.exception()
    return error.message if isinstance(error, GLib.Error) else error or task.result()


def test_calls_beyond_the_limit_wait_in_their_order(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with export(bus, "/slow", SlowService(), max_concurrent=2) as service:
        slow = proxy(client, bus.get_unique_name(), "/slow", Slow)
        tasks = [spawn(slow.work, i) for i in range(5)]
        assert [service.begun.get(), service.begun.get()] == [0, 1]
        service.go.set()
        assert [outcome(task) for task in tasks] == [0, 1, 2, 3, 4]
    assert service.most == 2
    assert [service.begun.get_nowait() for _ in range(3)] == [2, 3, 4]


def test_calls_beyond_the_limit_are_refused(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with export(bus, "/slow", SlowService(), max_concurrent=2, when_busy="drop") as service:
        slow = proxy(client, bus.get_unique_name(), "/slow", Slow)
        tasks = [spawn(slow.work, i) for i in range(2)]
        assert [service.begun.get(), service.begun.get()] == [0, 1]
        with pytest.raises(GLib.Error) as info:
            slow.work(2)
        assert remote_name(info.value) == "org.freedesktop.DBus.Error.LimitsExceeded"
        service.go.set()
        assert [outcome(task) for task in tasks] == [0, 1]
    assert service.most == 2


def test_calls_beyond_the_limit_take_the_place_of_the_oldest(
    bus: Gio.DBusConnection, client: Gio.DBusConnection
) -> None:
    with export(bus, "/slow", SlowService(), max_concurrent=2, when_busy="restart") as service:
        slow = proxy(client, bus.get_unique_name(), "/slow", Slow)
        tasks = [spawn(slow.work, i) for i in range(4)]
        assert "cancelled this call" in str(outcome(tasks[0]))
        assert "cancelled this call" in str(outcome(tasks[1]))
        while service.begun.get() < 3:
            pass
        service.go.set()
        assert [outcome(task) for task in tasks[2:]] == [2, 3]
    assert service.most == 2


def test_properties_are_not_limited(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with export(bus, "/slow", SlowService(), max_concurrent=1) as service:
        slow = proxy(client, bus.get_unique_name(), "/slow", Slow)
        task = spawn(slow.work, 1)
        service.begun.get()
        assert slow.size == 3
        service.go.set()
        assert task.result() == 1


def test_bad_limits_are_refused(bus: Gio.DBusConnection) -> None:
    with pytest.raises(ValueError, match="max_concurrent"):
        export(bus, "/slow", SlowService(), max_concurrent=0)
    with pytest.raises(ValueError, match="when_busy"):
        export(bus, "/slow", SlowService(), when_busy="later")  # type: ignore[arg-type]

"""Calls that come in over a real bus, in C and through PyGObject: handed over whole, answered once."""

from __future__ import annotations

import gc
import os
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gi.repository import Gio, GLib

from buses import remote_name
from gleenlet import Queue, Task, sleep, spawn
from gleenlet.dbus import _convert, _gvariant, _plain
from gleenlet.dbus._convert import invoke, register
from gleenlet.dbus._gvariant import Answer
from inside import in_task

NAME, PATH = "org.example.Incoming", "/org/example/incoming"
XML = f"""<node><interface name="{NAME}">
    <method name="Echo"><arg type="v"/><arg type="v" direction="out"/></method>
    <method name="Files"><arg type="ah"/><arg type="ah" direction="out"/></method>
    <property name="Level" type="i" access="readwrite"/>
</interface></node>"""
INFO = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]

Came = tuple[str | None, str, str, tuple[Any, ...], list[int], int, Answer]
Ask = Callable[..., Task[tuple[tuple[Any, ...], list[int]]]]


@pytest.fixture(params=[_gvariant, _plain], ids=["native", "plain"])
def converter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(_convert, "converter", request.param)
    return request.param


@pytest.fixture
def calls(converter: object, bus: Gio.DBusConnection) -> Iterator[Queue[Came]]:
    """What has come in."""
    came: Queue[Came] = Queue()
    number = register(bus, PATH, INFO, lambda *call: came.put_nowait(call))
    yield came
    bus.unregister_object(number)


@pytest.fixture
def ask(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> Ask:
    """Start a call."""

    def ask(
        member: str, signature: str = "()", args: tuple[Any, ...] = (), fds: Any = (), interface: str = NAME
    ) -> Any:
        return spawn(invoke, client, bus.get_unique_name(), PATH, interface, member, signature, args, None, 0, fds)

    return ask


@in_task
def test_a_call_is_handed_over_with_all_that_came(client: Gio.DBusConnection, calls: Queue[Came], ask: Ask) -> None:
    asked = ask("Echo", "(v)", ({"a": [1, 2]},))
    *came, answer = calls.get()
    assert came == [client.get_unique_name(), NAME, "Echo", ({"a": [1, 2]},), [], 0]
    assert answer.open
    answer.give("(v)", ("reply",))
    assert not answer.open
    assert asked.result() == (("reply",), [])


@in_task
def test_a_call_is_answered_once(calls: Queue[Came], ask: Ask) -> None:
    asked = ask("Echo", "(v)", (1,))
    answer = calls.get()[-1]
    answer.refuse("org.example.Error.Busy", "not now")
    with pytest.raises(RuntimeError, match="this call was answered before"):
        answer.refuse("org.example.Error.Busy", "not now")
    with pytest.raises(RuntimeError, match="this call was answered before"):
        answer.give("(v)", (1,))
    with pytest.raises(GLib.Error, match="not now") as info:
        asked.result()
    assert remote_name(info.value) == "org.example.Error.Busy"


@in_task
def test_what_cannot_be_sent_leaves_the_call_open(calls: Queue[Came], ask: Ask) -> None:
    asked = ask("Echo", "(v)", (1,))
    answer = calls.get()[-1]
    with pytest.raises(TypeError):
        answer.give("(i)", ("text",))
    with pytest.raises(GLib.Error):
        answer.give("(v)", (1,), [10**6])
    assert answer.open
    answer.give("(v)", (2,))
    assert asked.result() == ((2,), [])


@in_task
def test_calls_of_properties_come_too(calls: Queue[Came], ask: Ask) -> None:
    properties = "org.freedesktop.DBus.Properties"
    asked = ask("Get", "(ss)", (NAME, "Level"), interface=properties)
    _, interface, member, args, *_, answer = calls.get()
    assert (interface, member, args) == (properties, "Get", (NAME, "Level"))
    answer.give("(v)", (GLib.Variant("i", 5),))
    assert asked.result() == ((5,), [])


@in_task
def test_descriptors_come_and_go(calls: Queue[Came], ask: Ask) -> None:
    reader, writer = os.pipe()
    asked = ask("Files", "(ah)", ([0],), [writer])
    *_, came, _, answer = calls.get()
    assert len(came) == 1
    answer.give("(ah)", ([0, 1],), [reader, *came])
    os.close(came[0])
    (indices,), returned = asked.result()
    assert indices == [0, 1]
    os.write(returned[1], b"back and forth")
    assert os.read(returned[0], 100) == b"back and forth"
    for fd in reader, writer, *returned:
        os.close(fd)


@in_task
def test_what_gdbus_refuses_does_not_come(calls: Queue[Came], ask: Ask) -> None:
    for member, signature, args in ("Echo", "(s)", ("no variant",)), ("Nothing", "()", ()):
        with pytest.raises(GLib.Error):
            ask(member, signature, args).result()
    assert calls.empty()


@in_task
def test_a_path_has_an_interface_once(converter: object, bus: Gio.DBusConnection, calls: Queue[Came]) -> None:
    with pytest.raises(GLib.Error):
        register(bus, PATH, INFO, lambda *call: None)


@in_task
@pytest.mark.parametrize("converter", [_gvariant], indirect=True)
def test_a_refused_registration_drops_what_it_took_once(
    converter: object, bus: Gio.DBusConnection, calls: Queue[Came]
) -> None:
    def on_call(*_: object) -> None: ...

    before = sys.getrefcount(on_call)
    for _ in range(10):
        with pytest.raises(GLib.Error):
            register(bus, PATH, INFO, on_call)
    assert sys.getrefcount(on_call) == before


@in_task
@pytest.mark.parametrize("converter", [_gvariant], indirect=True)
def test_wrong_arguments_are_refused(converter: object, bus: Gio.DBusConnection, calls: Queue[Came], ask: Ask) -> None:
    def nothing(*_: object) -> None: ...

    wrong: Any = None
    for args in (bus, "no path", INFO, nothing), (wrong, PATH, INFO, nothing), (bus, PATH, wrong, nothing), (bus, PATH):
        with pytest.raises((TypeError, ValueError)):
            register(*args)
    asked = ask("Echo", "(v)", (1,))
    answer: Any = calls.get()[-1]
    for method, arguments in (
        (answer.give, ()),
        (answer.give, ("v", 1)),
        (answer.give, ("(v", (1,))),
        (answer.give, ("(v)", (1,), 1)),
        (answer.refuse, ("no name", "text")),
        (answer.refuse, ("org.example.Error", 1)),
    ):
        with pytest.raises((TypeError, ValueError)):
            method(*arguments)
    answer.give("(v)", (1,))
    assert asked.result() == ((1,), [])


@in_task
def test_an_error_of_the_function_is_reported(converter: object, bus: Gio.DBusConnection, ask: Ask) -> None:
    came: Queue[Came] = Queue()

    def fails(*call: Any) -> None:
        came.put_nowait(call)
        raise RuntimeError("on_call failed")

    reported: list[Any] = []
    hooks = sys.unraisablehook, sys.excepthook  # PyGObject tells the other one
    sys.unraisablehook = reported.append
    sys.excepthook = lambda *error: reported.append(error)
    number = register(bus, PATH, INFO, fails)
    try:
        asked = ask("Echo", "(v)", (1,))
        came.get()[-1].give("(v)", (1,))
        asked.result()
    finally:
        bus.unregister_object(number)
        sys.unraisablehook, sys.excepthook = hooks
    assert "on_call failed" in str([getattr(each, "exc_value", each) for each in reported])


@in_task
def test_nothing_is_kept_of_what_is_unregistered_or_answered(bus: Gio.DBusConnection, ask: Ask) -> None:
    class Served:
        def __init__(self) -> None:
            self.answers: list[Answer] = []

        def __call__(self, *call: Any) -> None:
            self.answers.append(call[-1])
            call[-1].give("(v)", (large,))

    large = "x" * 1_000_000
    served = Served()
    number = register(bus, PATH, INFO, served)
    assert ask("Echo", "(v)", (large,)).result() == ((large,), [])
    (answer,) = served.answers
    assert sys.getrefcount(answer) <= 3  # the list's, ours and the argument's, which may be a borrowed one
    bus.unregister_object(number)
    gone = weakref.ref(served)
    del served, answer
    while gone():  # GDBus tells from the loop
        sleep(0.001)
        gc.collect()


@in_task
@pytest.mark.parametrize("converter", [_gvariant], indirect=True)
def test_an_answer_that_nobody_gives_is_dropped(converter: object, calls: Queue[Came], ask: Ask) -> None:
    asked = ask("Echo", "(v)", (1,))
    calls.get()
    gc.collect()
    asked.cancel()
    asked.join()
    again = ask("Echo", "(v)", (1,))
    calls.get()[-1].give("(v)", (2,))
    assert again.result() == ((2,), [])

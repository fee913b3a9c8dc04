"""Programs that know nothing of gleenlet: gdbus, busctl, dbus-fast, and python-dbusmock's objects as services."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gi.repository import Gio, GLib

import gleenlet
from buses import PYTHON, line, output, peer
from gleenlet import spawn
from gleenlet.dbus import (
    AccessDenied,
    FileDescriptor,
    Int64,
    NameLost,
    Property,
    Signal,
    UInt32,
    authorized,
    export,
    interface,
    own_name,
    proxy,
    wait_for_name,
    watch,
)
from inside import settle

pytest.importorskip("dbus_fast")
if missing := [program for program in ("gdbus", "busctl", "stdbuf") if not shutil.which(program)]:
    pytest.skip(f"{', '.join(missing)} missing: scripts/debian_packages.sh", allow_module_level=True)

NAME = "org.example.Peer"
PROGRAMS = Path(__file__).parent / "programs"
DEBIANS_PYTHON = "/usr/bin/python3"  # has dbusmock


@interface("org.example.Peer", names="CamelCase")
class Peer:
    def echo(self, text: str, number: Int64) -> tuple[str, Int64]: ...
    def sum_up(self, numbers: dict[str, list[int]]) -> dict[str, Any]: ...
    def fail(self) -> None: ...
    def read(self, file: FileDescriptor) -> bytes: ...

    volume: Property[float] = Property(access="readwrite")
    happened: Signal[str, int]


class Service(Peer):
    def __init__(self) -> None:
        self.volume = 0.5

    def echo(self, text: str, number: Int64) -> tuple[str, Int64]:
        gleenlet.sleep(0)
        self.happened.emit(text, 1)
        return text, number

    def sum_up(self, numbers: dict[str, list[int]]) -> dict[str, Any]:
        return {name: sum(values) for name, values in numbers.items()}

    def fail(self) -> None:
        raise AccessDenied("not you")

    def read(self, file: FileDescriptor) -> bytes:
        with os.fdopen(file.detach(), "rb") as stream:
            return stream.read()


@pytest.fixture
def service(bus: Gio.DBusConnection) -> Iterator[Service]:
    with export(bus, "/peer", Service()) as running, own_name(bus, NAME):
        yield running


# ---- gdbus ----


def gdbus(address: str, *args: str) -> str:
    return output(address, "gdbus", *args).strip()


def test_gdbus_calls_our_methods(service: Service, address: str) -> None:
    call = ["call", "--session", "--dest", NAME, "--object-path", "/peer", "--method"]
    assert gdbus(address, *call, "org.example.Peer.Echo", "hello", "1099511627776") == "('hello', int64 1099511627776)"
    assert gdbus(address, *call, "org.example.Peer.SumUp", "{'a': [1, 2], 'b': []}") == "({'a': <3>, 'b': <0>},)"
    assert "org.freedesktop.DBus.Error.AccessDenied: not you" in gdbus(address, *call, "org.example.Peer.Fail")
    assert "InvalidArgs" in gdbus(address, *call, "org.example.Peer.Echo", "hello")
    assert "UnknownMethod" in gdbus(address, *call, "org.example.Peer.Other")
    get = gdbus(address, *call, "org.freedesktop.DBus.Properties.GetAll", "org.example.Peer")
    assert get == "({'Volume': <0.5>},)"


def test_gdbus_sees_our_interface(service: Service, address: str) -> None:
    said = gdbus(address, "introspect", "--session", "--dest", NAME, "--object-path", "/peer")
    assert "Echo(in  s text,\n           in  x number,\n           out s arg_2,\n           out x arg_3);" in said
    assert "readwrite d Volume = 0.5;" in said
    assert "Happened(s arg_0,\n               i arg_1);" in said


def test_gdbus_hears_our_signals_and_changes(service: Service, address: str) -> None:
    with peer(address, "stdbuf", "-oL", "gdbus", "monitor", "--session", "--dest", NAME) as monitor:
        while "is owned by" not in line(monitor):
            pass
        first = spawn(line, monitor)
        while not first.done():  # it may listen a little after it has said so
            service.happened.emit("ready", 1)
            gleenlet.sleep(0.01)
        service.volume = 0.75
        while "('ready', 1)" in (heard := line(monitor)):
            pass
        assert heard.endswith("PropertiesChanged ('org.example.Peer', {'Volume': <0.75>}, @as [])")
        service.happened.emit("a", 2)
        assert line(monitor) == "/peer: org.example.Peer.Happened ('a', 2)"


# ---- busctl ----


def busctl(address: str, *args: str) -> str:
    return output(address, "busctl", "--user", f"--address={address}", *args).strip()


def test_busctl_calls_our_methods(service: Service, address: str) -> None:
    call = ["call", NAME, "/peer", "org.example.Peer"]
    assert busctl(address, *call, "Echo", "sx", "hello", "5") == 'sx "hello" 5'
    assert busctl(address, *call, "SumUp", "a{sai}", "1", "a", "2", "1", "2") == 'a{sv} 1 "a" i 3'
    assert busctl(address, *call, "Fail").startswith("Call failed: ")


def test_busctl_gets_and_sets_our_properties(service: Service, address: str) -> None:
    where = [NAME, "/peer", "org.example.Peer", "Volume"]
    assert busctl(address, "get-property", *where) == "d 0.5"
    assert busctl(address, "set-property", *where, "d", "0.25") == ""
    assert service.volume == 0.25
    said = busctl(address, "introspect", NAME, "/peer", "org.example.Peer")
    assert {row.split()[0] for row in said.splitlines()} >= {".Echo", ".Volume", ".Happened"}


# ---- dbus-fast ----


def test_dbus_fast_uses_our_service(service: Service, address: str) -> None:
    assert output(address, PYTHON, PROGRAMS / "fast_client.py").splitlines() == [
        f"['hello', {2**40}]",
        "('hello', 1)",
        "{'a': 3}",
        "0.125",
        "org.freedesktop.DBus.Error.AccessDenied not you",
        "b'bytes'",
        "[['x', 0], ['x', 1], ['x', 2]]",
    ]
    assert service.volume == 0.125


def test_we_use_dbus_fasts_service(client: Gio.DBusConnection, address: str) -> None:
    with peer(address, PYTHON, PROGRAMS / "fast_service.py"):
        wait_for_name(client, NAME)
        peer_object = proxy(client, NAME, "/peer", Peer)
        with peer_object.happened as emissions:
            assert peer_object.echo("hello", 2**40) == ("hello", 2**40)
            assert next(emissions) == ("hello", 1)
        assert peer_object.sum_up({"a": [1, 2]}) == {"a": 3}
        with pytest.raises(AccessDenied, match="not you"):
            peer_object.fail()
        reader, writer = os.pipe()
        with os.fdopen(writer, "wb") as stream:
            stream.write(b"bytes")
        assert peer_object.read(FileDescriptor(reader)) == b"bytes"
        volumes = watch(peer_object, Peer.volume)
        assert next(volumes) == 0.5
        peer_object.volume = 0.25
        assert next(volumes) == 0.25
        calls = [spawn(peer_object.echo, "x", i) for i in range(100)]
        assert [call.result() for call in calls] == [("x", i) for i in range(100)]


def test_a_peer_that_is_killed_ends_what_waits_for_it(client: Gio.DBusConnection, address: str) -> None:
    with peer(address, PYTHON, PROGRAMS / "fast_service.py") as process:
        wait_for_name(client, NAME)
        peer_object = proxy(client, NAME, "/peer", Peer)
        with peer_object.happened as emissions:
            waiting = spawn(next, emissions)
            settle()
            process.kill()
            with pytest.raises(NameLost):
                waiting.result()


# ---- python-dbusmock ----

has_dbusmock = subprocess.run([DEBIANS_PYTHON, "-c", "import dbusmock"], capture_output=True).returncode == 0
needs_dbusmock = pytest.mark.skipif(not has_dbusmock, reason="python3-dbusmock is missing: scripts/debian_packages.sh")


@pytest.fixture
def mock(client: Gio.DBusConnection, address: str) -> Iterator[Any]:
    """An empty object of dbusmock's; its own methods make it what a test wants."""
    command = [DEBIANS_PYTHON, "-m", "dbusmock", "org.example.Mock", "/mock", "org.example.Mock"]
    with peer(address, *command):
        wait_for_name(client, "org.example.Mock")
        yield proxy(client, "org.example.Mock", "/mock", "org.freedesktop.DBus.Mock")


@interface("org.example.Mock", names="CamelCase")
class Mocked:
    def double(self, number: int) -> int: ...

    state: Property[str]
    level: Property[UInt32] = Property(access="readwrite")
    changed: Signal[str, dict[str, Any]]


@needs_dbusmock
def test_dbusmocks_objects_are_services_as_any(mock: Any, client: Gio.DBusConnection) -> None:
    mock.AddMethod("org.example.Mock", "Double", "i", "i", "ret = args[0] * 2")
    mock.AddProperties("org.example.Mock", {"State": "on", "Level": GLib.Variant("u", 3)})
    mocked = proxy(client, "org.example.Mock", "/mock", Mocked)
    assert mocked.double(21) == 42
    assert (mocked.state, mocked.level) == ("on", 3)
    mocked.level = 4
    assert mocked.level == 4
    states = watch(mocked, Mocked.state)
    assert next(states) == "on"
    mock.UpdateProperties("org.example.Mock", {"State": "off"})
    assert next(states) == "off"
    with mocked.changed as emissions:
        mock.EmitSignal("org.example.Mock", "Changed", "sa{sv}", ["now", {"a": 1}])
        assert next(emissions) == ("now", {"a": 1})


@needs_dbusmock
def test_a_proxy_without_a_class_has_what_the_object_says(mock: Any, client: Gio.DBusConnection) -> None:
    mock.AddMethod("org.example.Mock", "Double", "i", "i", "ret = args[0] * 2")
    mock.AddProperties("org.example.Mock", {"State": "on"})
    mocked = proxy(client, "org.example.Mock", "/mock")
    assert mocked.Double(21) == 42
    assert mocked.State == "on"
    with pytest.raises(AttributeError):
        mocked.Triple(1)
    with pytest.raises(TypeError, match=r"has no interface org\.example\.Other, only .*org\.example\.Mock"):
        proxy(client, "org.example.Mock", "/mock", "org.example.Other")


# ---- polkit ----


@interface("org.example.Guarded")
class Guarded:
    def delete(self) -> str: ...


class Guard(Guarded):
    def delete(self) -> str:
        assert authorized("org.example.delete", {"what": "all"})
        return "deleted"


@pytest.fixture
def polkit(client: Gio.DBusConnection, address: str) -> Iterator[Any]:
    with peer(address, DEBIANS_PYTHON, "-m", "dbusmock", "--session", "--template", "polkitd") as process:
        wait_for_name(client, "org.freedesktop.PolicyKit1")
        yield proxy(
            client, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock"
        )
        assert process.poll() is None


@needs_dbusmock
def test_polkit_says_who_may(polkit: Any, bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with export(bus, "/guarded", Guard()):
        flags = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION
        guarded = proxy(client, bus.get_unique_name(), "/guarded", Guarded, flags=flags)
        with pytest.raises(AccessDenied, match=r"polkit does not let :1\.\d+ do org\.example\.delete"):
            guarded.delete()
        polkit.SetAllowed(["org.example.delete"])
        assert guarded.delete() == "deleted"


@needs_dbusmock
def test_a_question_is_taken_back_with_its_task(
    polkit: Any, bus: Gio.DBusConnection, client: Gio.DBusConnection
) -> None:
    polkit.SimulateHang(True)
    with export(bus, "/guarded", Guard()):
        call = spawn(proxy(client, bus.get_unique_name(), "/guarded", Guarded).delete)
        while not polkit.HaveHangingCalls():
            pass
    with pytest.raises(GLib.Error, match="cancelled"):
        call.result()

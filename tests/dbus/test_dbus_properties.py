"""Properties: kept by a service, read, cached and watched by a proxy."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from gi.repository import Gio, GLib

import gleenlet
from buses import connect, remote_name
from gleenlet import Queue, spawn
from gleenlet.dbus import NameLost, Property, Signal, UInt32, export, interface, own_name, proxy, watch
from gleenlet.dbus._convert import unpack
from inside import settle

PROPERTIES = "org.freedesktop.DBus.Properties"


@interface("org.example.Player")
class Player:
    def play(self, title: str) -> None: ...
    def reset(self) -> None: ...

    title: Property[str]
    volume: Property[float] = Property(access="readwrite")
    track: Property[UInt32] = Property(access="readwrite", emits="invalidates")
    vendor: Property[str] = Property(emits="const")
    position: Property[float] = Property(emits="false")
    code: Property[str] = Property(access="write")
    played: Signal[str]


class Service(Player):
    def __init__(self) -> None:
        self.title = "none"
        self.volume = 0.5
        self.track = 1
        self.vendor = "example"
        self.asked = 0
        self.codes: list[str] = []

    def play(self, title: str) -> None:
        self.title = "loading"
        self.title = title
        self.track += 1
        self.played.emit(title)

    def reset(self) -> None:
        self.title = "none"

    @Player.position.getter
    def where(self) -> float:
        gleenlet.sleep(0)
        self.asked += 1
        return float(self.asked)

    @Player.volume.setter
    def set_volume(self, volume: float) -> None:
        gleenlet.sleep(0)
        if volume > 1:
            raise GLib.Error.new_literal(Gio.dbus_error_quark(), "too loud", Gio.DBusError.INVALID_ARGS)
        self.volume = round(volume, 1)

    @Player.code.setter
    def set_code(self, code: str) -> None:
        self.codes.append(code)


@pytest.fixture
def service(bus: Gio.DBusConnection) -> Iterator[Service]:
    with export(bus, "/player", Service()) as running:
        yield running


@pytest.fixture
def player(service: Service, bus: Gio.DBusConnection, client: Gio.DBusConnection) -> Player:
    return proxy(client, bus.get_unique_name(), "/player", Player)


class Heard:
    """What the bus brings for an interface."""

    def __init__(self, connection: Gio.DBusConnection, sender: str, path: str) -> None:
        self.signals: Queue[tuple[str, Any]] = Queue()
        connection.signal_subscribe(
            sender, None, None, path, None, Gio.DBusSignalFlags.NONE, lambda *args: self.put(args[4], args[5])
        )
        gleenlet.call(
            connection.call,
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "GetId",
            None,
            None,
            Gio.DBusCallFlags.NONE,
            -1,
        )

    def put(self, member: str, args: GLib.Variant) -> None:
        self.signals.put_nowait((member, unpack(args)))

    def get(self) -> tuple[str, Any]:
        return self.signals.get()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods of org.freedesktop.DBus.Properties that exported objects are asked, one after another."""
    called: list[str] = []
    original = export._prepare_property

    def counting(self: Any, member: str, args: Any) -> Any:
        called.append(member)
        return original(self, member, args)

    monkeypatch.setattr(export, "_prepare_property", counting)
    return called


def test_properties_are_read_once_and_then_known(player: Player, asked: list[str]) -> None:
    assert (player.title, player.volume, player.track, player.vendor) == ("none", 0.5, 1, "example")
    assert asked == ["GetAll"]
    player.play("song")
    assert player.title == "song"  # its change came before the reply
    assert asked == ["GetAll"]
    assert player.track == 2  # it was invalidated
    assert player.track == 2
    assert asked == ["GetAll", "Get"]
    assert player.position < player.position  # asked for each time
    assert asked == ["GetAll", "Get", "Get", "Get"]


def test_properties_are_written_by_those_who_may(player: Player, service: Service) -> None:
    player.volume = 0.75
    assert service.volume == player.volume == 0.8
    with pytest.raises(GLib.Error, match="too loud"):
        player.volume = 2.0
    assert player.volume == 0.8
    player.track = 7
    assert (service.track, player.track) == (7, 7)
    player.code = "secret"
    assert service.codes == ["secret"]
    with pytest.raises(AttributeError, match="only be written"):
        assert player.code
    with pytest.raises(AttributeError, match="cannot be written"):
        player.title = "mine"
    with pytest.raises(TypeError):
        player.volume = "loud"  # type: ignore[assignment]


def test_others_are_refused_what_properties_do_not_allow(
    player: Player, bus: Gio.DBusConnection, client: Gio.DBusConnection
) -> None:
    for args in [
        ("title", GLib.Variant("s", "x")),
        ("volume", GLib.Variant("s", "x")),
        ("nothing", GLib.Variant("i", 1)),
    ]:
        parameters = GLib.Variant("(ssv)", ("org.example.Player", *args))
        with pytest.raises(GLib.Error) as info:
            gleenlet.call(
                client.call,
                bus.get_unique_name(),
                "/player",
                PROPERTIES,
                "Set",
                parameters,
                None,
                Gio.DBusCallFlags.NONE,
                -1,
            )
        assert remote_name(info.value) == "org.freedesktop.DBus.Error.InvalidArgs"


def test_changes_of_a_turn_are_told_at_once_and_before_signals(
    service: Service, bus: Gio.DBusConnection, client: Gio.DBusConnection
) -> None:
    heard = Heard(client, str(bus.get_unique_name()), "/player")
    service.title = "a"
    service.volume = 0.1
    service.track = 2
    service.vendor = "other"
    service.title = "b"
    assert heard.get() == (
        "PropertiesChanged",
        ("org.example.Player", {"title": "b", "volume": 0.1}, ["track"]),
    )
    service.title = "b"  # no change
    service.play("c")
    assert heard.get() == ("PropertiesChanged", ("org.example.Player", {"title": "c"}, ["track"]))
    assert heard.get() == ("played", ("c",))


def test_watch_gives_the_present_value_and_then_each_new_one(player: Player, service: Service) -> None:
    values = watch(player, Player.title)
    assert next(values) == "none"
    for title in "a", "b":
        service.title = title
        assert next(values) == title
    waiting = spawn(next, values)
    player.play("c")
    assert waiting.result() == "c"


def test_watch_gives_the_newest_of_ten_thousand_changes(player: Player, service: Service) -> None:
    seen = []

    def look() -> None:
        for value in watch(player, Player.volume):
            seen.append(value)
            if value == 10_000.0:
                return

    looking = spawn(look)
    while not seen:
        gleenlet.sleep(0)
    for i in range(1, 10_001):
        service.volume = float(i)
        if i % 100 == 0:
            gleenlet.sleep(0)
    looking.result()
    assert seen == sorted(seen)
    assert player.volume == 10_000.0


def test_watch_takes_properties_that_tell(player: Player, service: Service) -> None:
    assert list(islice(watch(player, Player.track), 1)) == [1]
    with pytest.raises(ValueError, match="without telling"):
        watch(player, Player.position)
    with pytest.raises(TypeError, match="proxy is needed"):
        watch(service, Player.title)
    with pytest.raises(TypeError, match="no property of"):
        watch(player, "title")  # type: ignore[arg-type]


def test_an_iterator_that_goes_looks_no_more(player: Player) -> None:
    values = watch(player, Player.title)
    next(values)
    cache = player._remote.properties(Player.title.interface)  # type: ignore[attr-defined]
    assert len(cache.watchers) == 1
    del values
    assert cache.watchers == []


def test_a_proxy_that_goes_listens_no_more(
    service: Service, bus: Gio.DBusConnection, client: Gio.DBusConnection
) -> None:
    player = proxy(client, bus.get_unique_name(), "/player", Player)
    assert player.title == "none"
    (cache,) = player._remote.caches.values()  # type: ignore[attr-defined]
    assert cache.subscription is not None
    del player
    assert cache.subscription is None


def test_another_owner_has_other_properties(address: str, bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    player = proxy(client, "org.example.Player", "/player", Player)
    first = Service()
    first.title = "first"
    with export(bus, "/player", first), own_name(bus, "org.example.Player"):
        assert player.title == "first"
        values = watch(player, Player.title)
        assert next(values) == "first"
    with pytest.raises(NameLost, match=r"org\.example\.Player has no owner any more"):
        next(values)
    with pytest.raises(GLib.Error) as info:
        assert player.title
    assert remote_name(info.value) == "org.freedesktop.DBus.Error.ServiceUnknown"
    second = Service()
    second.title = "second"
    with export(bus, "/player", second), own_name(bus, "org.example.Player"):
        assert player.title == "second"


def test_several_first_reads_ask_once(player: Player, asked: list[str]) -> None:
    tasks = [spawn(getattr, player, "title") for _ in range(3)]
    assert [task.result() for task in tasks] == ["none"] * 3
    assert asked == ["GetAll"]


class Odd:
    """A service that keeps no promise: plain GDBus, values of other types."""

    XML = """<node><interface name="org.example.Player"><property name="title" type="s" access="read"/>
    <property name="volume" type="s" access="read"/></interface></node>"""

    def __init__(self, bus: Gio.DBusConnection) -> None:
        info = Gio.DBusNodeInfo.new_for_xml(self.XML).interfaces[0]
        bus.register_object("/odd", info, None, lambda *args: GLib.Variant("s", "text"), None)


def test_values_of_another_type_are_refused(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    Odd(bus)
    player = proxy(client, bus.get_unique_name(), "/odd", Player)
    with pytest.raises(ValueError, match=r"Property volume .* is d, but came as str: 'text'"):
        assert player.title


def test_changes_that_make_no_sense_are_passed_over(player: Player, service: Service, bus: Gio.DBusConnection) -> None:
    assert player.title == "none"
    name = "org.example.Player"
    for signature, args in [
        ("(s)", (name,)),
        ("(sa{sv}as)", (name, {"title": GLib.Variant("i", 1), "other": GLib.Variant("i", 1)}, ["other"])),
    ]:
        bus.emit_signal(None, "/player", PROPERTIES, "PropertiesChanged", GLib.Variant(signature, args))
    player.reset()
    assert player.title == "none"


def test_a_closed_connection_ends_what_is_known(service: Service, bus: Gio.DBusConnection, address: str) -> None:
    third = connect(address)
    player = proxy(third, bus.get_unique_name(), "/player", Player)
    values = watch(player, Player.title)
    assert next(values) == "none"
    waiting = spawn(next, values)
    settle()
    gleenlet.call(third.close)
    with pytest.raises(ConnectionResetError, match="was closed"):
        waiting.result()
    with pytest.raises(ConnectionResetError):
        assert player.title
    service.title = "still"

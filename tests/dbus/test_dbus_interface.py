"""What @interface reads, and what it refuses."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gleenlet import GleenletError
from gleenlet.dbus import (
    BoundSignal,
    FileDescriptor,
    Property,
    Signal,
    interface,
    introspection,
    method,
)
from gleenlet.dbus._interface import camel_case, snake_case


@dataclass
class Hit:
    path: str
    line: int


@interface("org.example.Files", names="CamelCase")
class Files:
    def search_all(self, text: str, limit: int = 10) -> list[Hit]: ...
    def two_results(self) -> tuple[int, str]: ...
    @method(name="GetID", deprecated=True)
    def get_id(self) -> Hit: ...
    @method(no_reply=True)
    def forget(self) -> None: ...
    def _private(self, anything: object) -> object: ...

    progress: Property[float]
    volume: Property[float] = Property(access="readwrite", emits="invalidates")
    secret: Property[str] = Property(access="write", name="SECRET", deprecated=True)
    found: Signal[str, int]
    done: Signal[()] = Signal(deprecated=True)
    _cache: dict[str, Any]


def test_the_introspection_data_says_all() -> None:
    assert (
        introspection(Files)
        == """\
<interface name="org.example.Files">
  <method name="SearchAll">
    <arg name="text" type="s" direction="in"/>
    <arg name="limit" type="i" direction="in"/>
    <arg type="a(si)" direction="out"/>
  </method>
  <method name="TwoResults">
    <arg type="i" direction="out"/>
    <arg type="s" direction="out"/>
  </method>
  <method name="GetID">
    <arg type="(si)" direction="out"/>
    <annotation name="org.freedesktop.DBus.Deprecated" value="true"/>
  </method>
  <method name="Forget">
    <annotation name="org.freedesktop.DBus.Method.NoReply" value="true"/>
  </method>
  <property name="Progress" type="d" access="read"/>
  <property name="Volume" type="d" access="readwrite">
    <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="invalidates"/>
  </property>
  <property name="SECRET" type="s" access="write">
    <annotation name="org.freedesktop.DBus.Deprecated" value="true"/>
  </property>
  <signal name="Found">
    <arg type="s"/>
    <arg type="i"/>
  </signal>
  <signal name="Done">
    <annotation name="org.freedesktop.DBus.Deprecated" value="true"/>
  </signal>
</interface>"""
    )


def test_a_class_in_a_function_finds_its_neighbours() -> None:
    @dataclass
    class Local:
        x: int

    @interface("org.example.Local")
    class HasLocal:
        def get(self) -> Local: ...

    assert '<arg type="(i)" direction="out"/>' in introspection(HasLocal)


def test_interfaces_are_inherited() -> None:
    @interface("org.example.More")
    class More(Files):
        extra: Property[int]

    class Both(More):
        pass

    names = [line for line in introspection(Both).splitlines() if line.startswith("<interface")]
    assert names == ['<interface name="org.example.More">', '<interface name="org.example.Files">']


def refused(body: dict[str, Any], annotations: dict[str, Any] | None = None) -> str:
    """What @interface says of a class with this body."""
    cls = type("Wrong", (), {**body, "__annotations__": annotations or {}})
    with pytest.raises((TypeError, ValueError)) as info:
        interface("org.example.Wrong")(cls)
    return str(info.value)


def lacks_argument(self: Any, text) -> None: ...  # type: ignore[no-untyped-def]
def lacks_result(self: Any): ...  # type: ignore[no-untyped-def]
def takes_any_number(self: Any, *texts: str) -> None: ...
def takes_keywords(self: Any, *, text: str) -> None: ...
def takes_none(self: Any, text: str | None) -> None: ...
def gives_none(self: Any) -> str | None: ...
def unknown(self: Any, hit: Unknown) -> None: ...  # type: ignore[name-defined] # noqa: F821
async def coroutine(self: Any) -> None: ...
def generator(self: Any) -> Iterator[int]:
    yield 1


@method(no_reply=True)
def no_reply(self: Any) -> int: ...


@method(name="no name")
def bad_name(self: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lacks_argument, "text needs an annotation"),
        (lacks_result, "return annotation"),
        (takes_any_number, "order and a number"),
        (takes_keywords, "order and a number"),
        (takes_none, "m: text: .* no None"),
        (gives_none, "m: return: .* no None"),
        (unknown, "define it above"),
        (coroutine, "plain function"),
        (generator, "plain function"),
        (no_reply, "returns None"),
        (bad_name, "no D-Bus member name"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_methods_that_d_bus_cannot_have_are_refused(function: Any, said: str) -> None:
    assert re.search(said, refused({"m": function}))


def test_members_that_are_none_are_refused() -> None:
    assert "Property[...] or Signal[...]" in refused({}, {"size": int})
    assert "Property[...] or Signal[...]" in refused({}, {"size": Property})
    assert "Property[...] or Signal[...]" in refused({}, {"size": Signal})
    assert "write size: Property[...] = Property(...)" in refused({"size": Property()})
    assert "write found: Signal[...] = Signal(...)" in refused({"found": Signal()})
    assert "only methods carry" in refused({}, {"size": Property[FileDescriptor]})
    assert "only methods carry" in refused({}, {"found": Signal[list[FileDescriptor]]})
    assert "two members called" in refused(
        {"size": Property(name="x"), "x": Property()}, {"size": Property[int], "x": Property[int]}
    )


def test_bad_names_and_choices_are_refused() -> None:
    with pytest.raises(ValueError, match="no D-Bus interface name"):
        interface("files")
    with pytest.raises(ValueError, match="as_spelled"):
        interface("org.example.Files", names="camel")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="access"):
        Property(access="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="emits"):
        Property(emits="never")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="decorate it with @interface"):
        introspection(Hit)


class Service(Files):
    @Files.volume.getter
    def loudness(self) -> float:
        return 11.0


def test_properties_are_kept_and_checked_without_a_bus() -> None:
    service = Service()
    with pytest.raises(AttributeError, match=r"Service\.progress has no value yet"):
        assert service.progress
    service.progress = 0.5
    assert service.progress == 0.5
    with pytest.raises(TypeError, match=r"Service\.progress: .*a float"):
        service.progress = "half"  # type: ignore[assignment]
    assert service.progress == 0.5
    assert service.volume == 11.0
    assert repr(Files.progress) == "<Property Progress of org.example.Files>"
    assert repr(Property()) == "<Property >"


def test_signals_are_checked_without_a_bus() -> None:
    service = Service()
    service.found.emit("a", 1)
    with pytest.raises(TypeError, match=r"Service\.found: .*2"):
        service.found.emit("a")  # type: ignore[call-arg]
    with pytest.raises(OverflowError):
        service.found.emit("a", 2**31)
    for use in service.found.wait, service.found.__enter__:
        with pytest.raises(GleenletError, match="prox"):
            use()
    with pytest.raises(GleenletError, match="service"):
        BoundSignal[int]().emit(1)


@pytest.mark.parametrize(
    ("name", "attribute", "back"),
    [
        ("SearchAll", "search_all", "SearchAll"),
        ("GetID", "get_id", "GetId"),
        ("HTTPServer", "http_server", "HttpServer"),
        ("Import", "import_", "Import"),
        ("plain", "plain", "Plain"),
    ],
)
def test_names_in_both_spellings(name: str, attribute: str, back: str) -> None:
    assert snake_case(name) == attribute
    assert camel_case(attribute) == back

"""`@interface`: a class read once into the description of a D-Bus interface. Knows no bus.

A description has everything that proxies and services need: names, codecs, defaults.
"""

from __future__ import annotations

import dataclasses
import inspect
import keyword
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, Literal, TypeVar, TypeVarTuple
from xml.sax.saxutils import quoteattr

from gi.repository import Gio

from gleenlet.dbus._convert import split
from gleenlet.dbus._members import GETTER, SETTER, Member, Property, Signal
from gleenlet.dbus._types import Codec, codec_of, row

T = TypeVar("T")
C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])
Ts = TypeVarTuple("Ts")

Names = Literal["as_spelled", "CamelCase"]

ANNOTATION = "org.freedesktop.DBus."
DESCRIPTION = "__dbus_interface__"  # of a class: its Interface


@dataclasses.dataclass(slots=True)
class Parameter:
    name: str
    codec: Codec
    default: Any = inspect.Parameter.empty


@dataclasses.dataclass(slots=True)
class Method:
    """A method of an interface."""

    attribute: str
    name: str
    parameters: list[Parameter]
    outs: Codec
    returns: Literal["none", "one", "tuple"]
    function: Callable[..., Any]
    deprecated: bool = False
    no_reply: bool = False
    ins: Codec = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.ins = row([parameter.codec for parameter in self.parameters])

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """One value for each parameter, defaults filled in; TypeError where they do not fit."""
        given = len(args)
        if not kwargs and given == len(self.parameters):
            return args
        if given > len(self.parameters):
            raise TypeError(f"{self.attribute}() takes {len(self.parameters)} arguments, {given} were given")
        values = list(args)
        rest = dict(kwargs)
        for parameter in self.parameters[given:]:
            value = rest.pop(parameter.name, parameter.default)
            if value is inspect.Parameter.empty:
                raise TypeError(f"{self.attribute}() is missing its argument {parameter.name!r}")
            values.append(value)
        for name in rest:
            known = any(parameter.name == name for parameter in self.parameters)
            raise TypeError(f"{self.attribute}() {'got twice' if known else 'has no'} argument {name!r}")
        return tuple(values)


def method(*, name: str | None = None, deprecated: bool = False, no_reply: bool = False) -> Callable[[F], F]:
    """Say more of a method of an `@interface`.

    Args:
        name: its name on the bus, if that is not as the interface's `names` has it.
        deprecated: says so in the introspection data.
        no_reply: it has none: callers do not wait, and learn of no error.

    >>> @interface("org.example.Files", names="CamelCase")
    ... class Files:
    ...     @method(name="GetID")
    ...     def get_id(self, path: str) -> int: ...
    >>> print(introspection(Files))
    <interface name="org.example.Files">
      <method name="GetID">
        <arg name="path" type="s" direction="in"/>
        <arg type="i" direction="out"/>
      </method>
    </interface>
    """

    def decorate(func: F) -> F:
        func.__dbus_method__ = {  # type: ignore[attr-defined]
            "name": name,
            "deprecated": deprecated,
            "no_reply": no_reply,
        }
        return func

    return decorate


@dataclasses.dataclass(slots=True, eq=False)
class Interface:
    """An interface: its members by attribute, and what GDBus wants of it."""

    name: str
    methods: dict[str, Method] = dataclasses.field(default_factory=dict)
    properties: dict[str, Property[Any]] = dataclasses.field(default_factory=dict)
    signals: dict[str, Signal[*tuple[Any, ...]]] = dataclasses.field(default_factory=dict)
    deprecated: bool = False
    info: Any = None

    def finish(self) -> None:
        """Called when all members are in."""
        for member in (*self.properties.values(), *self.signals.values()):
            member.interface = self
        rows = [(m.name, row.signature) for m in self.methods.values() for row in (m.ins, m.outs)]
        rows += [(s.name, s.codec.signature) for s in self.signals.values()]
        for name, signature in rows:
            if len(signature) - len("()") > 255:
                raise TypeError(f"{self.name}.{name}: all types of a message have 255 characters at most: use Any")
        kinds: list[Iterable[Method | Member]] = [
            self.methods.values(),
            self.properties.values(),
            self.signals.values(),
        ]
        for members in kinds:
            names = [member.name for member in members]
            for name in names:
                if not Gio.dbus_is_member_name(name):
                    raise ValueError(f"{name!r} is no D-Bus member name: give another with name=")
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ValueError(f"{self.name} has two members called {twice} on the bus")
        self.info = Gio.DBusNodeInfo.new_for_xml(f"<node>{self.xml()}</node>").interfaces[0]

    def xml(self) -> str:
        lines = []
        for m in self.methods.values():
            args = [
                f'<arg name={quoteattr(p.name)} type={quoteattr(p.codec.signature)} direction="in"/>'
                for p in m.parameters
            ]
            args += [f'<arg type={quoteattr(part)} direction="out"/>' for part in split(m.outs.signature[1:-1])]
            lines += element("method", {"name": m.name}, args + marks(m.deprecated, {"Method.NoReply": m.no_reply}))
        for p in self.properties.values():
            attributes = {"name": p.name, "type": p.codec.signature, "access": p.access}
            emits = {"Property.EmitsChangedSignal": p.emits} if p.emits != "true" else {}
            lines += element("property", attributes, marks(p.deprecated, emits))
        for s in self.signals.values():
            args = [f"<arg type={quoteattr(part)}/>" for part in split(s.codec.signature[1:-1])]
            lines += element("signal", {"name": s.name}, args + marks(s.deprecated, {}))
        return "\n".join(element("interface", {"name": self.name}, lines + marks(self.deprecated, {})))


def element(tag: str, attributes: dict[str, str], children: list[str]) -> list[str]:
    start = " ".join([f"<{tag}", *(f"{name}={quoteattr(value)}" for name, value in attributes.items())])
    return [f"{start}>", *(f"  {child}" for child in children), f"</{tag}>"] if children else [f"{start}/>"]


def marks(deprecated: bool, more: Mapping[str, str | bool]) -> list[str]:
    values = {"Deprecated": deprecated, **more}
    return [
        f"<annotation name={quoteattr(ANNOTATION + name)} value={quoteattr('true' if value is True else value)}/>"
        for name, value in values.items()
        if value
    ]


# ---- reading a class ----


def interface(name: str, *, names: Names = "as_spelled", deprecated: bool = False) -> Callable[[C], C]:
    """Read a class as a D-Bus interface: its public methods, `Property`s and `Signal`s are the members.

    A proxy of it has these members; a service is a subclass (or the class itself) with bodies. Signatures come
    from the annotations. Names that start with an underscore are no members.

    Args:
        name: "org.example.Files".
        names: members are on the bus "as_spelled", or in "CamelCase": `search_all` is SearchAll.
        deprecated: says so in the introspection data.

    Raises:
        TypeError: an annotation is missing, or D-Bus has no such type.
        ValueError: no interface name, or two members with one name.

    >>> @interface("org.example.Files")
    ... class Files:
    ...     def search(self, text: str, limit: int = 10) -> list[str]: ...
    ...     progress: Property[float]
    ...     found: Signal[str, int]
    >>> print(introspection(Files))
    <interface name="org.example.Files">
      <method name="search">
        <arg name="text" type="s" direction="in"/>
        <arg name="limit" type="i" direction="in"/>
        <arg type="as" direction="out"/>
      </method>
      <property name="progress" type="d" access="read"/>
      <signal name="found">
        <arg type="s"/>
        <arg type="i"/>
      </signal>
    </interface>
    """
    if not Gio.dbus_is_interface_name(name):
        raise ValueError(f"{name!r} is no D-Bus interface name: write org.example.Files")
    if names not in typing.get_args(Names):
        raise ValueError(f'names must be "as_spelled" or "CamelCase", not {names!r}')
    local = sys._getframe(1).f_locals  # where a class of a function finds its neighbours

    def decorate(cls: C) -> C:
        spell = camel_case if names == "CamelCase" else str
        found = Interface(name, deprecated=deprecated)
        try:
            read(cls, found, spell, local)
        except NameError as error:
            raise TypeError(f"{cls.__qualname__}: {error}: define it above the interface") from None
        found.finish()
        setattr(cls, DESCRIPTION, found)
        return cls

    return decorate


def read(cls: type, found: Interface, spell: Callable[[str], str], local: dict[str, Any]) -> None:
    for attribute, value in list(vars(cls).items()):
        if (
            not attribute.startswith("_")
            and isinstance(value, FunctionType)
            and not {GETTER, SETTER} & set(vars(value))
        ):
            found.methods[attribute] = read_method(cls, attribute, value, spell, local)
    hints = typing.get_type_hints(cls, localns={**vars(cls), **local}, include_extras=True)
    for attribute in inspect.get_annotations(cls):
        if attribute.startswith("_"):
            continue
        hint, where = hints[attribute], f"{cls.__qualname__}.{attribute}"
        origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        member: Any = vars(cls).get(attribute)
        if origin is Property and args:
            member = Property() if member is None else member
            member.codec = codec_of(args[0], where)
            found.properties[attribute] = member
            signature = member.codec.signature
        elif origin is Signal and (args or hint is not Signal):
            args = () if args == ((),) else args
            member = Signal() if member is None else member
            member.codec = row([codec_of(arg, where) for arg in args])
            found.signals[attribute] = member
            signature = member.codec.signature
        else:
            raise TypeError(f"{where}: annotate it as Property[...] or Signal[...], or start its name with _")
        if "h" in signature:
            raise TypeError(f"{where}: only methods carry a FileDescriptor")
        member.name = member.name or spell(attribute)
        if vars(cls).get(attribute) is None:
            setattr(cls, attribute, member)
            member.__set_name__(cls, attribute)
    for attribute, value in vars(cls).items():
        if isinstance(value, Member) and not hasattr(value, "codec"):
            kind = type(value).__name__
            raise TypeError(f"{cls.__qualname__}.{attribute}: write {attribute}: {kind}[...] = {kind}(...)")


def read_method(
    cls: type, attribute: str, function: FunctionType, spell: Callable[[str], str], local: dict[str, Any]
) -> Method:
    where = f"{cls.__qualname__}.{attribute}"
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(f"{where}() is a coroutine or generator: write a plain function, it may wait")
    hints = typing.get_type_hints(function, localns={**vars(cls), **local}, include_extras=True)
    parameters = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{where}: D-Bus arguments have an order and a number: {parameter} is not possible")
        if parameter.name not in hints:
            raise TypeError(f"{where}: {parameter.name} needs an annotation")
        codec = codec_of(hints[parameter.name], f"{where}: {parameter.name}")
        parameters.append(Parameter(parameter.name, codec, parameter.default))
    if "return" not in hints:
        raise TypeError(f"{where}() needs a return annotation, None for nothing")
    result = hints["return"]
    said = dict(getattr(function, "__dbus_method__", {}))
    returns: Literal["none", "one", "tuple"]
    if result is type(None):
        results, returns = [], "none"
    elif typing.get_origin(result) is tuple and Ellipsis not in typing.get_args(result):
        results, returns = [codec_of(arg, f"{where}: return") for arg in typing.get_args(result)], "tuple"
    else:
        results, returns = [codec_of(result, f"{where}: return")], "one"
    if said.get("no_reply") and results:
        raise TypeError(f"{where}() has no reply, so it returns None")
    said["name"] = said.get("name") or spell(attribute)
    return Method(attribute, parameters=parameters, outs=row(results), returns=returns, function=function, **said)


def camel_case(attribute: str) -> str:
    """search_all: SearchAll."""
    return "".join(part[:1].upper() + part[1:] for part in attribute.split("_"))


def snake_case(name: str) -> str:
    """SearchAll: search_all; an identifier in any case."""
    out = ""
    for i, char in enumerate(name):
        starts = char.isupper() and i > 0 and (name[i - 1].islower() or name[i + 1 : i + 2].islower())
        out += ("_" if starts and not out.endswith("_") else "") + char.lower()
    return f"{out}_" if keyword.iskeyword(out) else out


def interfaces_of(cls: type) -> list[Interface]:
    """The interfaces that a class has, its own first.

    Raises: TypeError: none.
    """
    found = [vars(base)[DESCRIPTION] for base in cls.__mro__ if DESCRIPTION in vars(base)]
    if not found:
        raise TypeError(f'{cls.__qualname__} is no D-Bus interface: decorate it with @interface("org.example.Name")')
    return found


def introspection(cls: type) -> str:
    """The introspection XML of a class's interfaces, without the `<node>` around them.

    Raises: TypeError: it has none.

    >>> @interface("org.example.Clock")
    ... class Clock:
    ...     ticked: Signal[()]
    >>> print(introspection(Clock))
    <interface name="org.example.Clock">
      <signal name="ticked"/>
    </interface>
    """
    return "\n".join(found.xml() for found in interfaces_of(cls))

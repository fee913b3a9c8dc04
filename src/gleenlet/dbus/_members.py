"""Properties and signals as a class has them: descriptors, with a service's side of them. Knows no bus.

A proxy's side is _proxy.py's, which puts descriptors of its own in their place.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from types import FunctionType, TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeVar, TypeVarTuple, overload
from weakref import WeakKeyDictionary

from gi.repository import GLib

from gleenlet import GleenletError
from gleenlet.dbus._types import Codec, variant

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Ts = TypeVarTuple("Ts")

Access = Literal["read", "write", "readwrite"]
Emits = Literal["true", "invalidates", "const", "false"]

EXPORTS = "__dbus_exports__"  # of a service: where it is exported
GETTER, SETTER = "__dbus_getter__", "__dbus_setter__"  # of a function: its property


class Owner(Protocol):
    """The interface that has a member."""

    name: str
    properties: dict[str, Property[Any]]


class Outlet(Protocol):
    """Where a service's changes and signals go: an export."""

    def changed(self, interface: Owner, prop: Property[Any], value: GLib.Variant) -> None: ...
    def emit(self, interface: Owner, signal: Signal[*tuple[Any, ...]], args: GLib.Variant) -> None: ...


class Member:
    """What properties and signals have in common: a place in a class, and a name on the bus."""

    attribute = ""  # in Python
    interface: Owner

    def __init__(self, name: str | None, deprecated: bool) -> None:
        self.name = name or ""  # on the bus; "" until the class is read
        self.deprecated = deprecated

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute

    def __repr__(self) -> str:
        where = f" of {self.interface.name}" if hasattr(self, "interface") else ""
        return f"<{type(self).__name__} {self.name or self.attribute}{where}>"


class Property(Member, Generic[T]):
    """A property of an `@interface`: `volume: Property[float]`, or with `= Property(access="readwrite")`.

    In a service `self.volume = 0.5` sets it, checks its type and tells the bus; in a proxy it is read and, if
    callers may, written as an attribute.

    Args:
        access: what callers may do. "read" unless said otherwise.
        emits: what the bus is told of a change: "true", its value; "invalidates", that it changed; "const",
            nothing, it never does; "false", nothing, so that proxies ask each time.
        name: its name on the bus, if that is not as the interface's `names` has it.
        deprecated: says so in the introspection data.

    >>> from gleenlet.dbus import interface
    >>> @interface("org.example.Player")
    ... class Player:
    ...     volume: Property[float] = Property(access="readwrite")
    >>> Player.volume
    <Property volume of org.example.Player>
    """

    codec: Codec

    def __init__(
        self, *, access: Access = "read", emits: Emits = "true", name: str | None = None, deprecated: bool = False
    ) -> None:
        super().__init__(name, deprecated)
        if access not in typing.get_args(Access):
            raise ValueError(f'access must be "read", "write" or "readwrite", not {access!r}')
        if emits not in typing.get_args(Emits):
            raise ValueError(f'emits must be "true", "invalidates", "const" or "false", not {emits!r}')
        self.access = access
        self.emits = emits
        self._marked: WeakKeyDictionary[type, dict[str, str]] = WeakKeyDictionary()

    @property
    def readable(self) -> bool:
        return self.access != "write"

    @property
    def writable(self) -> bool:
        return self.access != "read"

    def getter(self, func: F) -> F:
        """Mark a service's method that computes the value whenever it is asked for. It may wait."""
        setattr(func, GETTER, self)
        return func

    def setter(self, func: F) -> F:
        """Mark a service's method that takes what callers write. It may wait, refuse, and sets the property itself."""
        setattr(func, SETTER, self)
        return func

    @overload
    def __get__(self, obj: None, owner: type) -> Self: ...
    @overload
    def __get__(self, obj: object, owner: type) -> T: ...
    def __get__(self, obj: object, owner: type) -> Any:
        if obj is None:
            return self
        if (get := self.accessor(obj, GETTER)) is not None:
            return get()
        try:
            return obj.__dict__[self.attribute]
        except KeyError:
            raise AttributeError(f"{type(obj).__name__}.{self.attribute} has no value yet") from None

    def __set__(self, obj: object, value: T) -> None:
        try:
            packed = variant(self.codec, value, [])
        except (TypeError, ValueError, OverflowError) as error:
            raise type(error)(f"{type(obj).__name__}.{self.attribute}: {error}") from None
        kept = obj.__dict__
        known = self.attribute in kept
        old = kept.get(self.attribute)
        kept[self.attribute] = value
        if not known or (old is not value and old != value) or type(old) is not type(value):
            outlets: list[Outlet] = kept.get(EXPORTS, [])
            for outlet in outlets:
                outlet.changed(self.interface, self, packed)

    def accessor(self, obj: object, mark: str) -> Callable[..., Any] | None:
        """The method of a service that was marked as this property's getter or setter."""
        cls = type(obj)
        marked = self._marked.get(cls)
        if marked is None:
            marked = self._marked[cls] = {}
            for base in reversed(cls.__mro__):
                for attribute, func in vars(base).items():
                    if isinstance(func, FunctionType):
                        marked.update({each: attribute for each in (GETTER, SETTER) if vars(func).get(each) is self})
        return getattr(obj, marked[mark]) if mark in marked else None


class BoundSignal(Generic[*Ts]):
    """A signal of one object: a service emits it, a proxy's is waited for. What `files.found` gives.

    In a proxy, `with files.found as emissions` gives an iterator of the arguments of each emission, in order;
    the bus has been told when the block is entered, so nothing that happens after is lost.
    """

    def emit(self, *args: *Ts) -> None:
        """Emit it, wherever the object is exported; nowhere, if it is not.

        Raises: TypeError, ValueError, OverflowError: the arguments do not fit. GleenletError: not in a proxy.
        """
        raise GleenletError("emit() is for the service; a proxy can only wait for its signals")

    def wait(self, timeout: float | None = None) -> tuple[*Ts]:
        """Wait for the next emission and return its arguments.

        Args:
            timeout: seconds, None for no limit.

        Raises: TimeoutError; NameLost: nobody has the name any more; ConnectionError: the connection was closed.
        """
        raise GleenletError("wait() is for proxies: in a service, its own method emits the signal")

    def __enter__(self) -> Iterator[tuple[*Ts]]:
        raise GleenletError("`with` is for the signals of proxies: in a service, its own method emits the signal")

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """End it: drop what was not taken."""


class Signal(Member, Generic[*Ts]):
    """A signal of an `@interface`: `found: Signal[str, int]`; `Signal[()]` has no arguments.

    Args:
        name: its name on the bus, if that is not as the interface's `names` has it.
        deprecated: says so in the introspection data.

    >>> from gleenlet.dbus import interface
    >>> @interface("org.example.Files")
    ... class Files:
    ...     found: Signal[str, int]
    >>> Files.found
    <Signal found of org.example.Files>
    """

    codec: Codec  # of all its arguments, a tuple

    def __init__(self, *, name: str | None = None, deprecated: bool = False) -> None:
        super().__init__(name, deprecated)

    @overload
    def __get__(self, obj: None, owner: type) -> Self: ...
    @overload
    def __get__(self, obj: object, owner: type) -> BoundSignal[*Ts]: ...
    def __get__(self, obj: object, owner: type) -> Any:
        return self if obj is None else Emitter(self, obj)


class Emitter(BoundSignal[*tuple[Any, ...]]):
    """A service's signal."""

    __slots__ = ("obj", "signal")

    def __init__(self, signal: Signal[*tuple[Any, ...]], obj: object) -> None:
        self.signal = signal
        self.obj = obj

    def emit(self, *args: Any) -> None:
        signal = self.signal
        try:
            packed = variant(signal.codec, args, [])
        except (TypeError, ValueError, OverflowError) as error:
            raise type(error)(f"{type(self.obj).__name__}.{signal.attribute}: {error}") from None
        for outlet in self.obj.__dict__.get(EXPORTS, ()):
            outlet.emit(signal.interface, signal, packed)

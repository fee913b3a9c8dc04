"""`export`: an object on the bus. Each call is a task; its result or error is the reply."""

from __future__ import annotations

import dataclasses
import dis
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from gi.repository import Gio, GLib

from gleenlet import Cancelled, GleenletError, Task, current_task, get_hub, spawn
from gleenlet.dbus._call import Call, current
from gleenlet.dbus._convert import pack, register
from gleenlet.dbus._errors import FAILED, INVALID_ARGS, LIMITS_EXCEEDED, name_and_text, text_of
from gleenlet.dbus._fds import FileDescriptor
from gleenlet.dbus._interface import Interface, Method, interfaces_of
from gleenlet.dbus._members import EXPORTS, GETTER, SETTER, Owner, Property, Signal
from gleenlet.dbus._remote import PROPERTIES
from gleenlet.dbus._subscribe import Subscription, get_owner, refuse_closed
from gleenlet.dbus._types import ObjectPath, number_of, typed, variant

if TYPE_CHECKING:
    from gleenlet.dbus._gvariant import Answer

T = TypeVar("T")
WhenBusy = Literal["queue", "drop", "restart"]

exported: list[export[Any]] = []  # all there are, and who wants to know of each that comes and goes
listeners: list[Callable[[export[Any], bool], object]] = []


@dataclasses.dataclass(slots=True, eq=False)
class Pending:
    """A call that has no answer yet."""

    call: Call
    args: tuple[Any, ...]
    answer: Answer
    limited: bool
    task: Task[None] | None = None

    def refuse(self, name: str, text: str) -> None:
        if self.answer.open:
            self.answer.refuse(name, text)


class export(Generic[T]):
    """Put an object on the bus while the block runs: `with export(bus, "/org/example/Files", Files()) as files: ...`.

    Each call is a task, so methods may wait. It is cancelled when the caller vanishes. What a method raises is the
    caller's error: by its name if its class has one (`@error`), a GLib.Error as it is, anything else as
    org.freedesktop.DBus.Error.Failed, and then it is reported here too. The block's end cancels calls that still
    run, and waits for them.

    Args:
        bus: the connection.
        path: where, "/org/example/Files".
        obj: of a class that has or inherits an `@interface`.
        max_concurrent: how many calls may run at once, None for any number.
        when_busy: what a call does that would be one more: "queue" waits for its turn, "drop" is refused with
            org.freedesktop.DBus.Error.LimitsExceeded, "restart" cancels the oldest and waits until that has ended.

    Raises:
        TypeError: the class is no interface, or lacks a method's body or a property's value.
        ValueError: no object path; `max_concurrent` less than 1; an unknown `when_busy`.
    Raises, when entered:
        GleenletError: the path has such an object already. ConnectionError: the connection is closed.

    Thread: the one whose context runs the task; calls come here.

    >>> from gi.repository import Gio
    >>> import gleenlet
    >>> from gleenlet.dbus import interface, proxy
    >>> @interface("org.example.Greeter")
    ... class Greeter:
    ...     def greet(self, name: str) -> str:
    ...         gleenlet.sleep(0.01)
    ...         return f"hello {name}"
    >>> bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    >>> with export(bus, "/greeter", Greeter()):
    ...     proxy(bus, bus.get_unique_name(), "/greeter", Greeter).greet("you")
    'hello you'
    """

    def __init__(
        self,
        bus: Gio.DBusConnection,
        path: str,
        obj: T,
        *,
        max_concurrent: int | None = None,
        when_busy: WhenBusy = "queue",
    ) -> None:
        ObjectPath(path)  # refuses what is none
        if max_concurrent is not None and max_concurrent < 1:
            raise ValueError(f"max_concurrent must be 1 or more, or None for any number, not {max_concurrent}")
        if when_busy not in get_args(WhenBusy):
            raise ValueError(f'when_busy must be "queue", "drop" or "restart", not {when_busy!r}')
        self.bus = bus
        self.path = path
        self.obj = obj
        self.interfaces = {each.name: each for each in interfaces_of(type(obj))}
        check_complete(obj, list(self.interfaces.values()))
        self._methods = {
            (each.name, method.name): method for each in self.interfaces.values() for method in each.methods.values()
        }
        self._limit = max_concurrent
        self._when_busy = when_busy
        self._ids: list[int] = []
        self._running: dict[Pending, None] = {}  # in their order
        self._queue: deque[Pending] = deque()
        self._callers: dict[str | None, Subscription] = {}
        self._changed: dict[Owner, dict[Property[Any], GLib.Variant]] = {}
        self._hub = get_hub()

    def __enter__(self) -> T:
        if self._ids:
            raise GleenletError(f"export of {self.path} is entered already: make one for each `with`")
        refuse_closed(self.bus)
        self._hub = get_hub()
        try:
            for each in self.interfaces.values():
                self._ids.append(register(self.bus, self.path, each.info, self._called))
        except BaseException as error:
            self._unregister()
            raise GleenletError(f"{self.path} cannot be exported: {error}") from error
        vars(self.obj).setdefault(EXPORTS, []).append(self)
        exported.append(self)
        try:
            for listener in listeners:
                listener(self, True)
        except BaseException:  # a cancel while a property is computed
            self.__exit__(None, None, None)
            raise
        return self.obj

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._flush()
        self._unregister()
        vars(self.obj)[EXPORTS].remove(self)
        exported.remove(self)
        for listener in listeners:
            listener(self, False)
        for subscription in self._callers.values():
            subscription.close()
        self._callers.clear()
        while self._queue:
            self._queue.popleft().refuse(FAILED, f"{self.path} is gone")
        tasks = [task for pending in self._running if (task := pending.task) and task is not current_task()]
        for task in tasks:
            task.cancel()
        for task in tasks:
            task.join()

    def _unregister(self) -> None:
        ids, self._ids = self._ids, []
        for number in ids:
            self.bus.unregister_object(number)

    # ---- a call's way ----

    def _called(
        self,
        sender: str | None,
        interface: str,
        member: str,
        args: tuple[Any, ...],
        fds: list[int],
        flags: int,
        answer: Answer,
    ) -> None:
        told, owned = Gio.DBusMessageFlags(flags), [FileDescriptor(fd) for fd in fds]
        call = Call(self.bus, sender, self.path, interface, member, told, owned)
        pending = Pending(call, args, answer, limited=interface != PROPERTIES)
        if sender not in self._callers:
            self._watch(sender)
        if not pending.limited or self._limit is None or self._busy() < self._limit:
            self._start(pending)
        elif self._when_busy == "drop":
            pending.refuse(LIMITS_EXCEEDED, f"{self.path} answers no more than {self._limit} calls at once")
        else:
            self._queue.append(pending)
            if self._when_busy == "restart":
                self._cancel_oldest()

    def _busy(self) -> int:
        return sum(pending.limited for pending in self._running)

    def _cancel_oldest(self) -> None:
        for pending in self._running:
            if pending.limited and pending.task is not None and not pending.task.cancelling():
                pending.task.cancel("restart")
                return

    def _start(self, pending: Pending) -> None:
        self._running[pending] = None
        pending.task = task = spawn(self._serve, pending, name=f"{pending.call.member} of {self.path}")
        task.add_done_callback(lambda task: self._ended(pending, task))

    def _ended(self, pending: Pending, task: Task[None]) -> None:
        del self._running[pending]
        if pending.answer.open:
            pending.refuse(FAILED, "the service cancelled this call")
        while self._queue and (self._limit is None or self._busy() < self._limit):
            self._start(self._queue.popleft())
        if not task.cancelled():
            task.result()  # SystemExit and its kin go on to the hub

    def _serve(self, pending: Pending) -> None:
        call = pending.call
        current.set(call)
        try:
            try:
                work = self._prepare(pending)
            except (TypeError, ValueError) as error:
                pending.refuse(INVALID_ARGS, text_of(error))  # the caller's mistake, nothing to report here
                return
            signature, values, fds = work()
            self._flush()  # changes come before the reply that tells they are done
            pending.answer.give(signature, values, [number_of(fd) for fd in fds])
        except Cancelled:
            pending.refuse(FAILED, "the service cancelled this call")
            raise
        except Exception as error:
            known = name_and_text(error)
            self._flush()
            if known is not None:
                pending.refuse(*known)
            else:
                pending.refuse(FAILED, f"{type(error).__name__}: {text_of(error)}")
                get_hub().report(error, f"in {call!r}")

    def _prepare(self, pending: Pending) -> Callable[[], tuple[str, tuple[Any, ...], list[Any]]]:
        """The arguments read; what is left to do."""
        call = pending.call
        if call.interface == PROPERTIES:
            return self._prepare_property(call.member, pending.args)
        method = self._methods[call.interface, call.member]
        args = method.ins.decoded(pending.args, call.fds)
        return lambda: self._run(method, args)

    def _run(self, method: Method, args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...], list[Any]]:
        fds: list[Any] = []
        result = getattr(self.obj, method.attribute)(*args)
        if method.returns == "none":
            if result is not None:
                raise TypeError(f"{method.attribute}() returned {result!r:.80}: None is needed")
            result = ()
        elif method.returns == "one":
            result = (result,)
        return method.outs.signature, method.outs.encoded(result, fds), fds

    def _prepare_property(
        self, member: str, args: tuple[Any, ...]
    ) -> Callable[[], tuple[str, tuple[Any, ...], list[Any]]]:
        interface = self.interfaces[args[0]]
        if member == "GetAll":
            return lambda: ("(a{sv})", (self.values(interface),), [])
        prop = next(prop for prop in interface.properties.values() if prop.name == args[1])
        if member == "Get":
            return lambda: ("(v)", (self._value(prop),), [])
        value = prop.codec.decoded(typed(prop.codec, args[2], repr(prop)), [])

        def set_value() -> tuple[str, tuple[Any, ...], list[Any]]:
            setter = prop.accessor(self.obj, SETTER)
            if setter is not None:
                setter(value)
            else:
                setattr(self.obj, prop.attribute, value)
            return "()", (), []

        return set_value

    def values(self, interface: Interface) -> dict[str, GLib.Variant]:
        """What can be read of an interface; it may wait.

        A property that fails is reported and left out: others can be read, and who asks for that one gets its error.
        """
        found = {}
        for prop in interface.properties.values():
            if prop.readable:
                try:
                    found[prop.name] = self._value(prop)
                except Exception as error:
                    get_hub().report(error, f"in {prop!r}")
        return found

    def _value(self, prop: Property[Any]) -> GLib.Variant:
        return variant(prop.codec, getattr(self.obj, prop.attribute), [])

    # ---- callers that vanish ----

    def _watch(self, sender: str | None) -> None:
        subscription = self._callers[sender] = Subscription(self.bus, lambda: self._vanished(sender))
        if sender is not None:
            subscription.follow(sender, lambda owner: None if owner else self._vanished(sender))
            spawn(self._look_for, sender)

    def _look_for(self, sender: str) -> None:
        """He may have gone before the bus was asked to tell."""
        try:
            gone = get_owner(self.bus, sender) is None
        except Exception:
            gone = True  # the bus itself has
        if gone:
            self._vanished(sender)

    def _vanished(self, sender: str | None) -> None:
        subscription = self._callers.pop(sender, None)
        if subscription is not None:
            subscription.close()
        for pending in [each for each in self._queue if each.call.sender == sender]:
            self._queue.remove(pending)
            pending.refuse(FAILED, "the caller has gone")
        for pending in self._running:
            if pending.call.sender == sender and pending.task is not None:
                pending.task.cancel("the caller has gone")

    # ---- an Outlet: what the object tells ----

    def changed(self, interface: Owner, prop: Property[Any], value: GLib.Variant) -> None:
        """Called when the object sets a property: told with all others of this turn, the last value of each."""
        if prop.emits not in ("true", "invalidates") or not prop.readable:
            return
        if not self._changed:
            self._hub.call_soon_threadsafe(self._flush)
        self._changed.setdefault(interface, {})[prop] = value

    def emit(self, interface: Owner, signal: Signal[*tuple[Any, ...]], args: GLib.Variant) -> None:
        """Called when the object emits a signal; changes of before it are told first."""
        self._flush()
        self._send(interface.name, signal.name, args)

    def _flush(self) -> None:
        changes, self._changed = self._changed, {}
        for interface, values in changes.items():
            told = {prop.name: value for prop, value in values.items() if prop.emits == "true"}
            invalidated = [prop.name for prop in values if prop.emits == "invalidates"]
            self._send(PROPERTIES, "PropertiesChanged", pack("(sa{sv}as)", (interface.name, told, invalidated)))

    def _send(self, interface: str, member: str, args: GLib.Variant) -> None:
        if not self.bus.is_closed():  # nobody listens any more: no fault of the object's
            self.bus.emit_signal(None, self.path, interface, member, args)


# ---- what cannot be exported ----


def check_complete(obj: object, interfaces: list[Interface]) -> None:
    """Refuse an object that could not answer."""
    cls = type(obj)
    if not hasattr(obj, "__dict__"):
        raise TypeError(f"{cls.__qualname__} needs a __dict__ for its properties: leave out __slots__")
    lacking = [
        f"{method.attribute}() has no body"
        for each in interfaces
        for method in each.methods.values()
        if getattr(cls, method.attribute) is method.function and is_stub(method.function)
    ]
    lacking += [
        f"{prop.attribute} has no value"
        for each in interfaces
        for prop in each.properties.values()
        if prop.readable and prop.attribute not in vars(obj) and prop.accessor(obj, GETTER) is None
    ]
    if lacking:
        raise TypeError(
            f"{cls.__qualname__} cannot be exported yet: {'; '.join(lacking)}. "
            "Write methods in a subclass of the interface, and set properties in its __init__()"
        )


def is_stub(function: Callable[..., Any]) -> bool:
    """Whether its body is `...`, `pass` or a docstring, which all come to returning None."""
    names = [
        instruction.opname
        for instruction in dis.get_instructions(function)
        if instruction.opname not in ("RESUME", "NOP", "CACHE")
        and not (instruction.opname.startswith("LOAD_") and instruction.argval is None)
    ]
    constants = [each for each in function.__code__.co_consts if each is not None and each != function.__doc__]
    return names in (["RETURN_VALUE"], ["RETURN_CONST"]) and not constants

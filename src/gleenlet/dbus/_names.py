"""Bus names: owning one, and who owns another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from gi.repository import Gio

from gleenlet import GleenletError
from gleenlet._core import Waiter
from gleenlet.dbus._convert import send
from gleenlet.dbus._errors import NameTaken
from gleenlet.dbus._subscribe import BUS, BUS_PATH, Subscription, ask_bus, closed_error, get_owner

ALLOW_REPLACEMENT, REPLACE_EXISTING, DO_NOT_QUEUE = 1, 2, 4  # of RequestName
PRIMARY_OWNER, ALREADY_OWNER = 1, 4  # its answers


class own_name:
    """Own a name on the bus while the block runs: `with own_name(bus, "org.example.Files"): ...`.

    Entering waits until the name is owned.

    Args:
        bus: the connection.
        name: "org.example.Files".
        replace: take it from an owner that allows it.
        allow_replacement: let others take it; `wait_lost()` tells.

    Raises, when entered:
        NameTaken: somebody else owns it.
        ValueError: no bus name.
        GLib.Error: the bus does not let this program own it.
        Cancelled: the task was cancelled.

    Thread: the one whose context runs the task.

    >>> from gi.repository import Gio
    >>> import gleenlet
    >>> bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    >>> with own_name(bus, "org.example.Doc") as name:
    ...     name.owned
    True
    >>> name.owned
    False
    """

    def __init__(
        self, bus: Gio.DBusConnection, name: str, *, replace: bool = False, allow_replacement: bool = False
    ) -> None:
        if not Gio.dbus_is_name(name) or Gio.dbus_is_unique_name(name):
            raise ValueError(f"{name!r} is no name that can be owned: write org.example.Files")
        self.bus = bus
        self.name = name
        self.owned = False
        self._flags = DO_NOT_QUEUE | REPLACE_EXISTING * replace | ALLOW_REPLACEMENT * allow_replacement
        self._subscription: Subscription | None = None
        self._waiters: list[Waiter] = []

    def __enter__(self) -> Self:
        if self._subscription is not None:
            raise GleenletError(f"own_name({self.name!r}) is entered already: make one for each `with`")
        subscription = self._subscription = Subscription(self.bus, self._lost)
        try:
            subscription.listen(lambda args: self._lost(), BUS, BUS_PATH, BUS, "NameLost", self.name)
            answer = ask_bus(self.bus, "RequestName", "(su)", (self.name, self._flags), "(u)")
            if answer == ALREADY_OWNER:
                raise NameTaken(f"{self.name} is owned by this connection already")
            if answer != PRIMARY_OWNER:
                raise NameTaken(
                    f"{self.name} is owned by {get_owner(self.bus, self.name)}: stop that program, or take it over "
                    "with replace=True if it allows that"
                )
        except BaseException as error:
            self._release(given_up=not isinstance(error, NameTaken))
            raise
        self.owned = True
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._release(given_up=self.owned)

    def wait_lost(self, timeout: float | None = None) -> None:
        """Wait until somebody has taken the name, or the connection is closed.

        Args:
            timeout: seconds, None for no limit.

        Raises: TimeoutError: it is still owned.
        """
        waiter = Waiter(timeout, None, f"D-Bus name {self.name} to be lost")
        if not self.owned:
            return
        self._waiters.append(waiter)
        try:
            waiter.wait()
        finally:
            self._waiters.remove(waiter)

    def _lost(self) -> None:
        self.owned = False
        for waiter in self._waiters:
            waiter.wake()

    def _release(self, given_up: bool) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        self._lost()
        if given_up and not self.bus.is_closed():
            # Nobody waits for the answer: what is sent later on this connection arrives later.
            send(self.bus, BUS, BUS_PATH, BUS, "ReleaseName", "(s)", (self.name,))


class watch_name:
    """The owners of a name, one after another: a context manager that is iterated over.

    The first step gives the present owner, a unique name, or None if there is none; each one after waits for the
    next change. None is lost between two steps.

    Args:
        bus: the connection.
        name: "org.example.Files", or a unique name.

    Raises, when entered or iterated:
        ValueError: no bus name.
        ConnectionError: the connection was closed.
        Cancelled: the task was cancelled.

    Thread: the one whose context runs the task.

    >>> from gi.repository import Gio
    >>> import gleenlet
    >>> bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    >>> with watch_name(bus, "org.example.Doc") as owners:
    ...     print(next(owners))
    ...     with own_name(bus, "org.example.Doc"):
    ...         print(next(owners) == bus.get_unique_name())
    None
    True
    """

    def __init__(self, bus: Gio.DBusConnection, name: str) -> None:
        if not Gio.dbus_is_name(name):
            raise ValueError(f"{name!r} is no bus name: write org.example.Files")
        self.bus = bus
        self.name = name
        self._subscription: Subscription | None = None
        self._changes: deque[str | None] = deque()
        self._waiter: Waiter | None = None
        self._closed = False

    def __enter__(self) -> Self:
        self._subscription = Subscription(self.bus, self._end)
        try:
            self._subscription.follow(self.name, self._changed)
            owner = get_owner(self.bus, self.name)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        # What changed before the answer came is in the answer, and the last change is what it says.
        if owner in self._changes:
            while self._changes[0] != owner:
                self._changes.popleft()
        else:
            self._changes.appendleft(owner)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def __iter__(self) -> Iterator[str | None]:
        return self

    def __next__(self) -> str | None:
        return self._next(None)

    def _next(self, timeout: float | None) -> str | None:
        if self._subscription is None:
            raise GleenletError(f"write: with watch_name(bus, {self.name!r}) as owners: for owner in owners: ...")
        if self._waiter is not None:
            raise GleenletError(f"a task waits for {self.name} here already: give each its own watch_name()")
        if not self._changes:
            if self._closed:
                raise closed_error()
            self._waiter = Waiter(timeout, None, f"D-Bus name {self.name}")
            try:
                self._waiter.wait()
            finally:
                self._waiter = None
            if not self._changes:
                raise closed_error()
        return self._changes.popleft()

    def _changed(self, owner: str | None) -> None:
        self._changes.append(owner)
        if self._waiter is not None:
            self._waiter.wake()

    def _end(self) -> None:
        self._closed = True
        if self._waiter is not None:
            self._waiter.wake()


def wait_for_name(bus: Gio.DBusConnection, name: str, timeout: float | None = None) -> str:
    """Wait until somebody owns a name; no time if somebody does. Return the owner's unique name.

    Args:
        bus: the connection.
        name: "org.example.Files".
        timeout: seconds, None for no limit.

    Raises:
        TimeoutError: nobody within `timeout` seconds.
        ValueError: no bus name; `timeout` is negative or NaN.
        ConnectionError: the connection was closed.
        Cancelled: the task was cancelled.

    >>> from gi.repository import Gio
    >>> import gleenlet
    >>> bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    >>> wait_for_name(bus, "org.freedesktop.DBus")
    'org.freedesktop.DBus'
    """
    Waiter(timeout)  # refuses bad input
    with watch_name(bus, name) as owners:
        owner = next(owners)
        while owner is None:
            owner = owners._next(timeout)
    return owner

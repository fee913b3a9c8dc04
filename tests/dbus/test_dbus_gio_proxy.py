# mypy: disable-error-code=empty-body
"""`call` of the methods that a Gio.DBusProxy has by their names on the bus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gi.repository import Gio

from gleenlet import Cancelled, Event, call, sleep, spawn
from gleenlet.dbus import export, interface
from inside import FOREVER


@interface("org.example.Numbers", names="CamelCase")
class Numbers:
    def double(self, number: int) -> int: ...
    def split(self, number: int) -> tuple[int, int]: ...
    def nothing(self) -> None: ...
    def wait(self) -> None: ...


class Service(Numbers):
    def __init__(self) -> None:
        self.begun = Event()

    def double(self, number: int) -> int:
        sleep(0)
        return number * 2

    def split(self, number: int) -> tuple[int, int]:
        return divmod(number, 10)

    def nothing(self) -> None:
        pass

    def wait(self) -> None:
        self.begun.set()
        sleep(FOREVER)


@pytest.fixture
def service(bus: Gio.DBusConnection) -> Iterator[Service]:
    with export(bus, "/numbers", Service()) as service:
        yield service


@pytest.fixture
def numbers(service: Service, bus: Gio.DBusConnection, client: Gio.DBusConnection) -> Any:
    name = str(bus.get_unique_name())
    return call(Gio.DBusProxy.new, client, Gio.DBusProxyFlags.NONE, None, name, "/numbers", "org.example.Numbers")


def test_results_are_those_of_the_blocking_call(numbers: Any) -> None:
    assert call(numbers.Double, "(i)", 21) == 42
    assert call(numbers.Split, "(i)", 42) == (4, 2)
    assert call(numbers.Nothing) is None
    assert call(numbers.Nothing, "()", flags=Gio.DBusCallFlags.NO_AUTO_START) is None


def test_a_cancelled_task_cancels_the_call(numbers: Any, service: Service) -> None:
    waiting = spawn(call, numbers.Wait)
    service.begun.wait()
    waiting.cancel()
    with pytest.raises(Cancelled):
        waiting.result()


def test_a_limit_of_the_proxys_own_is_kept(numbers: Any) -> None:
    numbers.set_default_timeout(1)
    with pytest.raises(Exception, match="Timeout was reached"):
        call(numbers.Wait)


def test_what_lacks_its_signature_is_refused(numbers: Any) -> None:
    with pytest.raises(TypeError, match=r"call\(proxy\.Double, '\(i\)', 4\)"):
        call(numbers.Double, 21)
    with pytest.raises(TypeError):
        call(numbers.Double, "(i)", 21, colour="red")

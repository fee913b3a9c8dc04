"""A bus for all tests of this folder, and two connections for each: the service's and the client's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gi.repository import Gio

from buses import close, connect, daemon


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with daemon() as running:
        yield running.address


@pytest.fixture
def bus(address: str) -> Iterator[Gio.DBusConnection]:
    """The service's."""
    connection = connect(address)
    yield connection
    close(connection)


@pytest.fixture
def client(address: str) -> Iterator[Gio.DBusConnection]:
    connection = connect(address)
    yield connection
    close(connection)

"""The pytest plugin: tests as tasks, a time limit that shows the tasks, and fixtures.

It stands outside the package, so that a project that does not use gleenlet does not load GLib with pytest.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

MODES = ("strict", "auto")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gleenlet")
    group.addoption("--gleenlet-mode", choices=MODES, help="auto: every test is a task; strict: only marked ones")
    group.addoption("--gleenlet-timeout", type=float, metavar="SECONDS", help="a limit for each test that is a task")
    group.addoption("--gleenlet-replay", metavar="TOKEN", help="the schedule that a failure of explore() has printed")
    parser.addini("gleenlet_mode", "auto: every test is a task; strict (default): only marked ones", default="strict")
    parser.addini("gleenlet_timeout", "seconds for each test that is a task; 0 (default): no limit", default="0")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "gleenlet(timeout=None): run the test as a task; fail after `timeout` real seconds with the tasks"
    )
    if token := config.getoption("--gleenlet-replay"):
        os.environ["GLEENLET_REPLAY"] = token
    mode = mode_of(config)
    if mode not in MODES:
        raise pytest.UsageError(f"gleenlet_mode must be auto or strict, not {mode!r}")


def mode_of(config: pytest.Config) -> str:
    return str(config.getoption("--gleenlet-mode") or config.getini("gleenlet_mode"))


def limit_of(item: pytest.Function) -> float:
    """Real seconds; 0: none."""
    marker = item.get_closest_marker("gleenlet")
    given = marker.kwargs.get("timeout") if marker is not None else None
    if given is None:
        given = item.config.getoption("--gleenlet-timeout")
    return float(item.config.getini("gleenlet_timeout") if given is None else given)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Have the function that pytest is about to call run as a task."""
    marked = pyfuncitem.get_closest_marker("gleenlet") is not None
    if not marked and mode_of(pyfuncitem.config) != "auto":
        return
    func = pyfuncitem.obj
    if not marked and (getattr(func, "explored_by_gleenlet", False) or inspect.iscoroutinefunction(func)):
        return
    limit = limit_of(pyfuncitem)
    examples = getattr(func, "hypothesis", None)
    if examples is not None:  # each example in a task of its own
        examples.inner_test = as_task(examples.inner_test, limit)
    else:
        pyfuncitem.obj = as_task(func, limit)


def as_task(func: Callable[..., Any], limit: float) -> Callable[..., None]:
    @functools.wraps(func)
    def in_task(*args: Any, **kwargs: Any) -> None:
        kit().run_limited(functools.partial(func, *args, **kwargs), limit)

    return in_task


def kit() -> Any:
    """gleenlet.testing: loaded where it is used."""
    return importlib.import_module("gleenlet.testing")


@pytest.fixture
def virtual_time() -> Iterator[Any]:
    """A `gleenlet.testing.virtual_time` clock for the whole test."""
    with kit().virtual_time() as clock:
        yield clock


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fail if the test leaves something over: `gleenlet.testing.no_leaks`."""
    with kit().no_leaks():
        yield


@pytest.fixture(scope="session")
def virtual_display() -> Iterator[str]:
    """An X server of its own for GTK, Xvfb; its name. Skips where there is none."""
    with skipping(), kit().virtual_display() as name:
        yield name


@pytest.fixture(scope="session")
def session_bus() -> Iterator[str]:
    """A D-Bus session of its own; its address. Skips where there is no dbus-daemon."""
    with skipping(), kit().session_bus() as address:
        yield address


@contextlib.contextmanager
def skipping() -> Iterator[None]:
    """A server's program that is missing skips the test."""
    try:
        yield
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def click() -> Any:
    """`gleenlet.testing.click`."""
    return kit().click


@pytest.fixture
def type_text() -> Any:
    """`gleenlet.testing.type_text`."""
    return kit().type_text


@pytest.fixture
def screenshot() -> Any:
    """`gleenlet.testing.screenshot`."""
    return kit().screenshot

"""What is no function to run as a task is refused where it is given, with what to write instead."""

from __future__ import annotations

import functools
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from gleenlet import TaskGroup, callback, green, run, spawn
from gleenlet.asyncio import await_
from inside import in_task, settle


async def fetch(_: object = None) -> str:
    return "page"


def numbers(_: object = None) -> Iterator[int]:
    yield 1


async def pages(_: object = None) -> AsyncIterator[str]:
    yield "page"


@types.coroutine
def old_style(_: object = None) -> Iterator[None]:
    yield


class Holder:
    async def fetch(self) -> None: ...

    async def __call__(self) -> None: ...

    @classmethod
    async def fetch_all(cls) -> None: ...

    @staticmethod
    def numbers() -> Iterator[int]:
        yield 1


GENERATORS = [numbers, Holder.numbers, functools.partial(numbers, 1)]
COROUTINES = [
    fetch,
    pages,
    old_style,
    functools.partial(fetch, 1),
    functools.partial(functools.partial(fetch, 1)),
    Holder().fetch,
    Holder.fetch_all,
    Holder(),
]
STARTERS: list[Callable[[Any], object]] = [
    spawn,
    run,
    green,
    lambda func: green(when_busy="drop")(func),
    callback,
]


@pytest.mark.parametrize("start", STARTERS)
@pytest.mark.parametrize("func", COROUTINES + GENERATORS)
def test_a_function_that_does_not_run_when_it_is_called_is_refused(
    start: Callable[[Any], object], func: Callable[..., Any]
) -> None:
    with pytest.raises(TypeError, match=r"which does not run when it is called.*await_"):
        start(func)


def test_the_error_names_the_function_and_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"fetch is a coroutine function.*write spawn\(await_, fetch\(\.\.\.\)\)"):
        spawn(fetch)
    with pytest.raises(TypeError, match=r"numbers is a generator function.*that iterates over it"):
        spawn(numbers)
    assert spawn(await_, fetch()).result() == "page"


@in_task
def test_a_group_refuses_a_function_that_does_not_run() -> None:
    with TaskGroup() as group, pytest.raises(TypeError, match="await_"):
        group.spawn(fetch)


def test_a_function_that_returns_a_generator_runs() -> None:
    task = spawn(lambda: numbers())
    assert list(task.result()) == [1]


class Callable_:
    def __call__(self) -> int:
        return 1


@pytest.mark.parametrize("func", [int, Callable_(), functools.partial(int), functools.partial(Callable_()), [].count])
def test_other_callables_are_fine(func: Callable[..., Any]) -> None:
    spawn(func, *([1] if func == [].count else [])).join()
    assert callable(green(func))


def test_a_decorator_that_goes_above_is_named() -> None:
    def handler(_: object = None) -> None: ...

    for make, above in (
        (classmethod, "@classmethod"),
        (staticmethod, "@staticmethod"),
        (property, "@property"),
    ):
        decorators: list[Any] = [green, green(returns=True), callback]
        for decorator in decorators:
            with pytest.raises(TypeError, match=rf"{above} above and @(green|callback) below"):
                decorator(make(handler))


def test_green_works_below_a_decorator() -> None:
    log: list[object] = []

    class Window:
        @classmethod
        @green
        def of_class(cls) -> None:
            log.append(cls)

        @staticmethod
        @green
        def of_nothing(text: str) -> None:
            log.append(text)

    Window().of_class()
    Window().of_nothing("static")
    settle()
    assert log == [Window, "static"]


@pytest.mark.usefixtures("display")
def test_the_decorator_of_gtk_templates_goes_above_too() -> None:
    from gi.repository import Gtk

    template: Any = Gtk.Template.Callback()
    for decorator in (green, callback):
        with pytest.raises(TypeError, match=r"@Gtk.Template.Callback\(\) above and @"):
            decorator(template(numbers))
    assert template(green(spawn)) is not None

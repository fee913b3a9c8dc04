"""Collections of the garbage collector: nothing waits inside one, for the collector's lists lie on the C stack."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from child import in_child
from gleenlet import (
    Event,
    UnsafeSwitchError,
    get_hub,
    run,
    sleep,
    spawn,
    wait_signal,
)


class Node:
    """A cycle whose `__del__` does something."""

    def __init__(self, finalize: Callable[[], object]) -> None:
        self.me = self
        self.finalize = finalize

    def __del__(self) -> None:
        self.finalize()


FINALIZERS: list[Callable[[], object]] = [
    lambda: sleep(0.001),
    lambda: sleep(0),
    lambda: spawn(int).result(),
    lambda: Event().wait(),
    lambda: get_hub().switch(),
    lambda: wait_signal(GLibObject(), "notify"),
]


def GLibObject() -> Any:
    from gi.repository import GObject

    return GObject.Object()


@in_child()
@pytest.mark.parametrize("number", range(len(FINALIZERS)))
@pytest.mark.parametrize("place", ["task", "top level"])
def test_a_wait_in_a_finalizer_that_the_collector_runs_is_refused(number: int, place: str) -> None:
    gc.disable()
    errors: list[BaseException | None] = []
    sys.unraisablehook = lambda what: errors.append(what.exc_value)

    def collect() -> None:
        for _ in range(20):
            nodes = [Node(FINALIZERS[number]) for _ in range(10)]
            del nodes
            gc.collect()

    if place == "task":
        run(collect)
    else:
        collect()
    assert len(errors) == 200
    assert {type(error) for error in errors} == {UnsafeSwitchError}
    assert "garbage collector" in str(errors[0])
    run(sleep, 0)


@in_child()
def test_a_wait_in_a_weak_references_callback_of_a_collection_is_refused() -> None:
    errors: list[type[BaseException]] = []
    sys.unraisablehook = lambda what: errors.append(what.exc_type)

    class Thing:
        pass

    def main() -> None:
        thing: Any = Thing()
        thing.me = thing
        reference = weakref.ref(thing, lambda _: sleep(0.001))
        del thing
        gc.collect()
        assert reference() is None

    run(main)
    assert errors == [UnsafeSwitchError]


@in_child()
def test_a_wait_in_a_finalizer_that_the_reference_count_runs_waits() -> None:
    went_on: list[int] = []

    def main() -> None:
        node = Node(lambda: sleep(0.001) or went_on.append(1))
        del node.me
        del node

    run(main)
    assert went_on == [1]


@in_child()
def test_other_threads_wait_while_one_collects() -> None:
    gc.disable()
    inside, slept = threading.Event(), threading.Event()

    def finalize() -> None:
        inside.set()
        assert slept.wait(30)

    def collect() -> None:
        Node(finalize)
        gc.collect()

    thread = threading.Thread(target=collect)
    thread.start()
    assert inside.wait(30)
    run(sleep, 0.001)  # the other thread's collection is not on this stack
    slept.set()
    thread.join()

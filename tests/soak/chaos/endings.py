"""Operations at the edges: collections, failed tasks, names, trace functions, used-up descriptors."""

from __future__ import annotations

import errno
import gc
import os
import resource
import traceback
import weakref
from typing import Any

import greenlet
from tests.soak.chaos.program import operation
from tests.soak.chaos.world import ChaosError, Here, World

import gleenlet

EVERYWHERE = "task raw callback"


# ---- collections ----


def collect(world: World, generation: int) -> None:
    """Everything only so often: in a loop in a loop in a loop it would take longer than the watchdog gives."""
    world.locals["collections"] = number = world.locals.get("collections", 0) + 1
    gc.collect(generation if number < 40 else 0)


class Node:
    """Dies in a collection, and waits then."""

    def __init__(self, here: Here, cyclic: bool) -> None:
        self.me = self if cyclic else None
        self.here = here
        self.shelf = here.world.shelf
        self.leaf: object = [[]]

    def __del__(self) -> None:
        self.shelf.append(self.leaf)
        self.leaf = None
        try:
            gleenlet.sleep(0.0001)
        except gleenlet.Cancelled:
            self.here.world.delivered(self.here.record)  # nobody sees it: a `__del__` raises nothing


@operation(0.1, "n")
def drops_what_waits_when_it_dies(here: Here, number: int) -> None:
    """In cycles the collector ends them, which must not wait; else the reference count does."""
    nodes = [Node(here, True) for _ in range(5 + number % 20)]
    del nodes
    here.wait(None, collect, here.world, 2)
    one = Node(here, False)

    def drop() -> None:
        nonlocal one
        del one

    here.wait(None, drop)


@operation(0.5, "", EVERYWHERE)
def clears_shelf(here: Here) -> None:
    here.world.shelf.clear()


@operation(0.1, "n", EVERYWHERE)
def collects(here: Here, number: int) -> None:
    collect(here.world, number % 3)


@operation(0.1, "n", EVERYWHERE)
def has_it_collected_always(here: Here, number: int) -> None:
    gc.set_threshold((1, 10, 700)[number % 3])


class Name(str):
    """A name that has attributes."""

    task: object


@operation(0.05, "", "task")
def leaves_a_cycle_through_a_name(here: Here) -> None:
    name = Name("me")
    name.task = task = gleenlet.spawn(int, name=name)
    here.wait(None, task.join)  # if that is cancelled, the traceback keeps the task
    here.world.locals.setdefault("names", []).append(weakref.ref(name))
    here.world.at_end.append(lambda: cycles_are_gone(here))


def cycles_are_gone(here: Here) -> None:
    names = here.world.locals.pop("names", ())
    gc.collect()
    if any(name() is not None for name in names):
        here.world.fault("a name and its task, a cycle, are never collected")


# ---- failed tasks ----


def bad() -> None:
    raise ChaosError


@operation(0.2, "n", "task")
def asks_again_for_a_failure(here: Here, number: int) -> None:
    task = gleenlet.spawn(bad)
    here.world.at_end.append(lambda: task.done() and task.exception())  # asked for, so no timer is left to report it
    lengths = set()
    for _ in range(3):
        try:
            here.wait(None, task.result)
        except ChaosError as error:
            lengths.add(len(traceback.extract_tb(error.__traceback__)))
    if len(lengths) != 1:
        here.world.fault(f"a task's traceback grows: {lengths}")
    if not task.name.startswith("bad"):
        here.world.fault(f"a task that has ended is called {task.name}")


# ---- use that is wrong ----


class MyHub(gleenlet.Hub):
    """Forgets to call its base class."""

    def __init__(self) -> None:
        pass


@operation(0.1, "n", "task callback")
def makes_a_hub_by_hand(here: Here, number: int) -> None:
    hub = MyHub()
    try:
        if number % 2:
            hub.call_soon_threadsafe(print)
        else:
            hub.call_later(1, print)
    except Exception:
        return
    here.world.fault("a hub that was not initialized took a call")


@operation(0.05, "n", "task")
def traces_greenlets(here: Here, number: int) -> None:
    """The trace function fails at one switch; greenlet raises that where it switches to."""
    left = number % 4
    ours = greenlet.getcurrent()

    def trace(event: str, args: Any) -> None:
        nonlocal left
        if event == "switch" and args[1] is not ours and args[1] not in known:
            left -= 1
            if left < 0:
                raise ChaosError("in the trace function")
        known.update(args)

    def learn(event: str, args: Any) -> None:
        known.update(args)

    known: set[greenlet.greenlet] = {ours}
    for waiter in here.world.locals.setdefault("known", []):
        known.add(waiter)
    greenlet.settrace(learn)
    here.wait(None, gleenlet.sleep, 0)
    here.wait(None, gleenlet.sleep, 0)
    greenlet.settrace(trace)
    record = here.world.new_record()
    record.task = gleenlet.spawn(here.world.body, record, [])
    try:
        here.wait(None, record.task.join)
    finally:
        greenlet.settrace(None)


# ---- no descriptor is free ----


class NoDescriptors:
    """For a block the process gets no new descriptor."""

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def __enter__(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, self.limits[1]))

    def __exit__(self, *exception: object) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)


@operation(0.1, "n", "task")
def waits_without_descriptors(here: Here, number: int) -> None:
    """At the program's end, when nothing else runs: GLib ends the process where a context cannot be made."""
    at_end = here.world.at_end
    if not here.world.depth:  # behind what is there by then: threads that are joined
        at_end.append(lambda: at_end.append(lambda: wait_without_descriptors(here, number)))


def wait_without_descriptors(here: Here, number: int) -> None:
    reader, writer = os.pipe()
    try:
        with NoDescriptors():
            if number % 2:
                gleenlet.spawn(int)
                here.world.hub.call_later(0.0001, int)
            else:
                gleenlet.wait_writable(writer, 0)
    except TimeoutError:
        pass
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
    finally:
        os.close(reader)
        os.close(writer)


@operation(0, "", "task")
def says_so(here: Here) -> None:
    """A fault that was planted, to see that one is found: drawn only where `--weights` says so."""
    here.world.fault("a planted fault")

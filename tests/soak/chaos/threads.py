"""Operations with threads that come and go, with a context of their own and without, and with forks."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from gi.repository import GLib
from tests.soak.chaos.program import Program, operation
from tests.soak.chaos.world import PATIENCE, Here, World

import gleenlet
from gleenlet import GleenletError


def start(here: Here, target: Callable[..., object], *args: Any) -> threading.Thread:
    """Start a thread; it counts as running until it has ended."""
    world = here.world
    world.timed += 1

    def body() -> None:
        try:
            target(*args)
        except BaseException:
            world.fault(f"in a thread: {traceback.format_exc()}")
        finally:
            try:
                world.hub.call_soon_threadsafe(over)
            except GleenletError:
                world.timed -= 1

    def over() -> None:
        world.timed -= 1

    thread = threading.Thread(target=body)
    thread.start()
    world.at_end.append(thread.join)
    return thread


@operation(0.3, "n", "task")
def calls_in_thread(here: Here, number: int) -> None:
    limit = number * 1e-6 if number % 3 == 0 else None
    with gleenlet.move_on_after(limit):
        here.scopes += 1
        try:
            result = here.wait(None, gleenlet.to_thread, pow, 2, number)
        finally:
            here.scopes -= 1
        if result != 2**number:
            here.world.fault("the result of another call in a thread")


@operation(0.2, "", "task")
def comes_back_from_thread(here: Here) -> None:
    world = here.world
    record = world.new_record()
    record.cancelled = True
    lock = threading.Lock()  # between the thread's begin and its caller's cancellation
    begun = gone = False

    def back() -> int:
        nonlocal begun
        with lock:
            if gone:
                return 0
            begun = True
            world.timed += 1
        try:
            return gleenlet.from_thread(world.body, record, [["yields"], ["yields"]])
        finally:
            world.hub.call_soon_threadsafe(over)

    def over() -> None:
        world.timed -= 1

    try:
        result = here.wait(None, gleenlet.to_thread, back)
    finally:
        with lock:
            gone = True
    if result != id(record):
        world.fault("from_thread() gave another result")


@operation(0.05, "nk", "task")
def has_a_thread(here: Here, number: int, program: Program) -> None:
    """One with a context of its own that runs a small program, and perhaps leaves a task."""
    if here.world.depth:
        return
    start(here, in_thread, here.world, number, program)


def in_thread(outer: World, number: int, program: Program) -> None:
    context = GLib.MainContext.new()
    context.push_thread_default()
    try:
        small_world(outer, number, program)
    finally:
        context.pop_thread_default()


def small_world(outer: World, number: int, program: Program) -> None:
    world = World(gleenlet.get_hub(), outer.depth + 1)
    world.spawn(program, 3)
    if number % 3:
        world.end()
        world.check_hub()
    else:  # it ends in the middle
        for _ in range(number % 5):
            gleenlet.sleep(0.0001)
        gleenlet.spawn(gleenlet.sleep, 1000)
        world.over = True
    outer.operations += world.operations
    outer.faults.extend(world.faults)
    world.leave_context()
    outer.locals.setdefault("threads", []).append((world.hub, threading.get_ident()))
    refuse_later(outer, world.hub)


@operation(0.03, "nk", "task")
def shuts_down(here: Here, number: int, program: Program) -> None:
    """In a thread of its own: all its tasks are cancelled, and end, or are named."""
    if here.world.depth:
        return
    start(here, in_thread_that_shuts_down, here.world, number, program)


def in_thread_that_shuts_down(outer: World, number: int, program: Program) -> None:
    context = GLib.MainContext.new()
    context.push_thread_default()
    try:
        world = World(gleenlet.get_hub(), outer.depth + 1)
        world.spawn(program, 3)
        for _ in range(number % 5):
            gleenlet.sleep(0.0001)
        world.over = True
        sleepers = [gleenlet.spawn(gleenlet.sleep, 1000) for _ in range(number % 3)]
        gleenlet.shutdown(0.01)
        if not all(task.cancelled() for task in sleepers):
            world.fault(f"shutdown() left {sleepers}")
        world.leave_context()
        outer.operations += world.operations
        outer.faults.extend(world.faults)
    finally:
        context.pop_thread_default()


def refuse_later(world: World, hub: gleenlet.Hub) -> None:
    """Once its thread has ended a hub takes no call any more."""
    called: list[object] = []

    def check() -> None:
        time.sleep(0.001)
        try:
            hub.call_soon_threadsafe(called.append, 1)
        except GleenletError:
            return
        world.fault("the hub of a thread that has ended took a call")

    world.at_end.append(check)


@operation(0.05, "nk", "task")
def has_a_context(here: Here, number: int, program: Program) -> None:
    """In a thread that has had some already: a context is its default for a while."""
    if here.world.depth:
        return
    start(here, contexts, here.world, number, program)


def contexts(outer: World, number: int, program: Program) -> None:
    for _ in range(1 + number % 4):
        in_thread(outer, 1, program)


@operation(0.01, "n", "task")
def counts_descriptors(here: Here, number: int) -> None:
    """Once, at the program's end, when nothing else runs: contexts that come and go, or threads, leave none."""
    if not here.world.depth and not here.world.locals.get(("counts", number % 2)):
        here.world.locals["counts", number % 2] = True
        here.world.at_end.append(lambda: count_descriptors(here.world, number))


def count_descriptors(world: World, number: int) -> None:
    more: list[int] = []

    def several(count: int) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(count):
            context = GLib.MainContext.new()
            context.push_thread_default()
            gleenlet.spawn(int).result()
            gleenlet.sleep(0.0001)
            context.pop_thread_default()
            del context
        gc.collect()
        more.append(len(os.listdir("/proc/self/fd")) - before)

    def in_threads(threads: int, contexts: int) -> None:
        for _ in range(threads):
            thread = threading.Thread(target=several, args=(contexts,))
            thread.start()
            thread.join()

    before = len(os.listdir("/proc/self/fd"))
    if number % 2:
        in_threads(1, 15)
        if more[0] > 8:
            world.fault(f"15 contexts of one thread left {more[0]} descriptors")
    else:
        in_threads(15, 1)
        if (left := len(os.listdir("/proc/self/fd")) - before) > 8:
            world.fault(f"15 threads left {left} descriptors")


@operation(0.03, "n", "task")
def has_threads_that_only_look(here: Here, number: int) -> None:
    """They ask for a hub and go, while the loop turns here."""
    count = 2 + number % 19

    def look(barrier: threading.Barrier) -> None:
        gleenlet.get_hub()
        barrier.wait()

    def several() -> None:
        try:
            for _ in range(1 + number % 10):
                barrier = threading.Barrier(count)
                threads = [threading.Thread(target=look, args=(barrier,)) for _ in range(count)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        finally:
            busy.destroy()

    busy = GLib.idle_source_new()  # the loop prepares and checks all the time
    busy.set_priority(GLib.PRIORITY_DEFAULT)
    busy.set_callback(lambda *_: True)
    busy.attach(here.world.context)
    here.world.in_child_first.append(busy.destroy)  # the threads are not there, and nobody else would
    start(here, several)


@operation(0.03, "n", "task")
def has_a_late_call_from_thread(here: Here, number: int) -> None:
    """What a thread's to_thread() started calls back when that thread has ended."""
    world = here.world
    if world.depth or world.locals.get("late", 0) >= 2:  # each keeps a worker thread until the program's end
        return
    world.locals["late"] = world.locals.get("late", 0) + 1
    begun, gone, answered = threading.Event(), threading.Event(), threading.Event()
    answers: list[object] = []

    def late() -> None:
        begun.set()
        gone.wait()
        try:
            answers.append(gleenlet.from_thread(int))
        except BaseException as error:
            answers.append(error)
        answered.set()

    def thread() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        gleenlet.spawn(gleenlet.to_thread, late)
        for _ in range(20):  # where all worker threads are busy it is called off as this one ends
            if not begun.is_set():
                gleenlet.sleep(0.0001)
        context.pop_thread_default()

    one = threading.Thread(target=thread)
    one.start()

    def check() -> None:
        one.join()
        time.sleep(0.001)
        gone.set()
        if not begun.is_set():
            return
        answered.wait()
        if not isinstance(answers[0], GleenletError):
            world.fault(f"from_thread() to a thread that has ended: {answers}")

    world.at_end.append(check)


@operation(0.02, "n", "task")
def forks(here: Here, number: int) -> None:
    """The child has a loop of its own and none of the tasks; the parent goes on meanwhile."""
    world = here.world
    if world.depth or threading.current_thread() is not threading.main_thread():
        return
    pid = os.fork()
    if not pid:
        os._exit(in_child(world, number))
    child = gleenlet.spawn(gleenlet.wait_child, pid)
    world.timed += 1

    def over(task: gleenlet.Task[int]) -> None:
        world.timed -= 1
        if not task.cancelled() and (status := task.result()):
            world.fault(f"a forked child ended with {status}")

    child.add_done_callback(over)
    while not child.done():
        here.wait(None, gleenlet.to_thread, int)
        here.wait(None, gleenlet.sleep, 0.0005)


def in_child(world: World, number: int) -> int:
    status = 0
    world.in_child = world.over = True
    records = world.records[:]
    faulthandler.register(signal.SIGALRM, chain=True)  # the parent's watchdog is a thread, and so not here
    signal.alarm(int(2 * PATIENCE))
    for first in world.in_child_first:
        first()
    try:
        begun = [record.begun for record in records]
        for _ in range(number % 40):
            gleenlet.sleep(0.001)
        if gleenlet.spawn(pow, 2, 5).result() != 32:
            status = 2
        if begun != [record.begun for record in records]:
            status = 3
    except gleenlet.Cancelled:
        pass  # under way when it was forked
    except BaseException:
        traceback.print_exc()
        status = 4
    return status


@operation(0.2, "n", "task")
def waits_for_future(here: Here, number: int) -> None:
    future: Future[int] = Future()
    if number % 3:
        threading.Thread(target=future.set_result, args=(number,)).start()
    else:
        future.set_result(number)
    if here.wait(None, gleenlet.wait_future, future) != number:
        here.world.fault("wait_future() gave another result")

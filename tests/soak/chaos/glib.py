"""Operations that wait for GLib: signals, properties, Gio, descriptors, children, Unix signals."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from typing import Any

from gi.repository import Gio, GLib
from tests.soak.chaos.program import operation
from tests.soak.chaos.world import Counter, Here

import gleenlet

EVERYWHERE = "task raw callback"
HERE = Gio.File.new_for_path("/proc/self/exe")
NOWHERE = Gio.File.new_for_path("/nowhere/at/all")
NONE = Gio.FileQueryInfoFlags.NONE


@operation(1)
def waits_for_signal(here: Here) -> None:
    world = here.world
    before = world.emitted
    (number,) = here.wait(lambda: world.emitted == before, gleenlet.wait_signal, world.counter, "counted")
    if not before < number <= world.emitted:
        world.fault(f"emission {number}, waited for from {before} to {world.emitted}")


@operation(1.5, "n", EVERYWHERE)
def emits_soon(here: Here, number: int) -> None:
    """From the loop."""
    world = here.world

    def emit() -> None:
        world.emitted += 1
        world.counter.emit("counted", world.emitted)

    world.hub.call_soon(emit)


@operation(0.5, "n", "task")
def takes_every_emission(here: Here, number: int) -> None:
    counter = Counter()
    count = 1 + number % 4
    for n in range(count):
        here.world.hub.call_soon(counter.emit, "counted", n)
    with gleenlet.signals(counter, "counted") as emissions:
        for n in range(count):
            if (got := here.wait(None, next, emissions)) != (n,):
                here.world.fault(f"emission {got} where {n} was due")


@operation(0.7, "n")
def waits_for_property(here: Here, number: int) -> None:
    counter = here.world.counter
    wanted = number % 4
    value = here.wait(
        lambda: counter.count != wanted, gleenlet.wait_property, counter, "count", lambda count: count == wanted
    )
    if value != wanted:
        here.world.fault(f"a property was {value} instead of {wanted}")


@operation(1, "n", EVERYWHERE)
def sets_property(here: Here, number: int) -> None:
    here.world.counter.count = number % 4


@operation(0.3, "n", "task")
def calls_gio(here: Here, number: int) -> None:
    """An operation of Gio's, which perhaps somebody cancels half-way."""
    file = HERE if number % 3 else NOWHERE
    try:
        info = here.wait(None, gleenlet.call, file.query_info_async, "standard::size", NONE)
    except GLib.Error as error:
        if file is HERE:
            raise AssertionError from error
    else:
        if file is NOWHERE or not info.get_size():
            here.world.fault("Gio's answer is that of another question")


@operation(0.2, "n", "task")
def cancels_gio(here: Here, number: int) -> None:
    record = here.world.spawn([["calls_gio", number]], here.depth)
    here.wait(None, gleenlet.sleep, number * 1e-7)
    record.cancelled = True
    if record.task is not None and record.task.cancel():
        record.undelivered = True


# ---- descriptors ----


def pair(here: Here) -> tuple[socket.socket, socket.socket]:
    found = here.world.locals.get("pair")
    if found is None:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        found = here.world.locals["pair"] = near, far
        here.world.wakes.append(lambda: wake(near, far))
        here.world.at_end.append(lambda: near.close() or far.close())
    return found


def wake(near: socket.socket, far: socket.socket) -> None:
    try:
        near.recv(100_000)
    except BlockingIOError:
        pass
    far.send(b"x")


@operation(1)
def reads(here: Here) -> None:
    near, _ = pair(here)
    here.wait(lambda: not select.select([near], [], [], 0)[0], gleenlet.wait_readable, near)
    try:
        near.recv(1)
    except BlockingIOError:
        pass  # another one has it


@operation(0.5, "n")
def reads_for_a_while(here: Here, number: int) -> None:
    near, _ = pair(here)
    try:
        here.wait(None, gleenlet.wait_readable, near.fileno(), number * 2e-7)
    except TimeoutError:
        pass


@operation(1, "", EVERYWHERE)
def writes(here: Here) -> None:
    _, far = pair(here)
    if not here.unsafe:
        here.wait(lambda: not select.select([], [far], [], 0)[1], gleenlet.wait_writable, far)
    try:
        far.send(b"x")
    except BlockingIOError:
        pass


# ---- the process ----


@operation(0.02, "n", "task")
def waits_for_child(here: Here, number: int) -> None:
    pid = os.posix_spawn("/bin/true" if number % 2 else "/bin/false", ["child"], {})
    records = [here.world.spawn([["waits_for", pid, number]], here.depth) for _ in range(number % 3)]
    waits_for(here, pid, number)
    for record in records:
        record.cancelled = True


@operation(0, "", "")
def waits_for(here: Here, pid: int, number: int) -> None:
    try:
        status = here.wait(None, gleenlet.wait_child, pid)
    except ChildProcessError:  # it came after the end
        return
    if status != (0 if number % 2 else 1):
        here.world.fault(f"a child ended with {status}")


@operation(0.03, "n", "task")
def has_threads_wait_for_child(here: Here, number: int) -> None:
    """Several threads wait for one child before it ends: all get its status."""
    world, reader_writer = here.world, os.pipe()
    reader, writer = reader_writer
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "read x; exit 3"], {}, file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0)])
    count = 2 + number % 7
    barrier = threading.Barrier(count + 1)
    results: list[object] = []

    def thread() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        task = gleenlet.spawn(gleenlet.wait_child, pid)
        gleenlet.sleep(0.0001)  # it waits now
        barrier.wait()
        try:
            results.append(task.result())
        except BaseException as error:
            results.append(error)
        context.pop_thread_default()

    threads = [threading.Thread(target=thread) for _ in range(count)]
    for one in threads:
        one.start()
    barrier.wait()
    os.write(writer, b"\n")
    os.close(writer)
    os.close(reader)
    for one in threads:
        one.join()
    if results != [3] * count:
        world.fault(f"{count} threads waited for one child: {results}")


@operation(0.05, "n", "task")
def storms_with_signals(here: Here, number: int) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    world = here.world
    task = world.spawn([["waits_for_unix_signal"]], here.depth)
    here.wait(None, gleenlet.sleep, 0)
    world.timed += 1
    world.wakes.append(lambda: os.kill(os.getpid(), signal.SIGUSR2))

    def kill() -> None:
        world.timed -= 1
        for _ in range(1 + number % 20):
            os.kill(os.getpid(), signal.SIGUSR2)

    world.hub.call_later(0.0005, kill)
    del task


@operation(0, "", "")
def waits_for_unix_signal(here: Here) -> None:
    here.wait(lambda: True, gleenlet.wait_unix_signal, signal.SIGUSR2)


def ignore(*_: Any) -> None:
    """A handler, so that a signal that nobody waits for does not end the process."""


signal.signal(signal.SIGUSR2, ignore)


@operation(0.3, "n", "task")
def waits_for_any_signal(here: Here, number: int) -> None:
    one, other = Counter(), Counter()
    emitter = (one, other)[number % 2]
    here.world.hub.call_soon(emitter.emit, "counted", number)
    found = here.wait(None, gleenlet.wait_any_signal, (one, "counted"), (other, "counted"))
    if found != (number % 2, (number,)):
        here.world.fault(f"wait_any_signal() gave {found}")

"""Unix signals, real ones."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest
from gi.repository import Gio, GLib

from child import in_child
from gate import Gate
from gleenlet import (
    GleenletError,
    from_thread,
    get_hub,
    run,
    sleep,
    spawn,
    wait_child,
    wait_readable,
    wait_unix_signal,
)
from gleenlet._core import wakeup
from gleenlet._glib import unix_signals
from inside import settle


@pytest.fixture(autouse=True)
def handlers_are_as_before() -> Iterator[None]:
    numbers = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before
    assert unix_signals.watches == {}
    assert wakeup.wakeup.users == {}


def test_wait_unix_signal_returns_when_it_comes() -> None:
    spawn(os.kill, os.getpid(), signal.SIGUSR1)
    wait_unix_signal(signal.SIGUSR1)


def test_a_signal_from_outside_wakes_a_loop_that_sleeps_in_poll() -> None:
    with Gate() as gate:
        pid = gate.start_killer(signal.SIGUSR1)
        get_hub().call_soon(gate.open)  # once the loop runs, so once the wait below has begun
        wait_unix_signal(signal.SIGUSR1)
        assert wait_child(pid) == 0


def test_several_waiters_and_a_python_handler_all_get_it() -> None:
    got = []
    former = signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
    try:
        tasks = [spawn(wait_unix_signal, signal.SIGUSR1) for _ in range(3)]
        settle()
        os.kill(os.getpid(), signal.SIGUSR1)
        for task in tasks:
            task.result()
        assert got == [signal.SIGUSR1]
        os.kill(os.getpid(), signal.SIGUSR1)
        assert got == [signal.SIGUSR1] * 2  # the handler is back
    finally:
        signal.signal(signal.SIGUSR1, former)


def test_two_signals_are_told_apart() -> None:
    one, two = spawn(wait_unix_signal, signal.SIGUSR1), spawn(wait_unix_signal, signal.SIGUSR2)
    settle()
    os.kill(os.getpid(), signal.SIGUSR2)
    two.result()
    assert not one.done()
    os.kill(os.getpid(), signal.SIGUSR1)
    one.result()


def test_ctrl_c_is_no_keyboard_interrupt_while_a_task_waits_for_it() -> None:
    spawn(os.kill, os.getpid(), signal.SIGINT)
    wait_unix_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_the_last_waiter_restores_however_it_leaves() -> None:
    staying = spawn(wait_unix_signal, signal.SIGUSR1)
    leaving = spawn(wait_unix_signal, signal.SIGUSR1)
    settle()
    assert signal.getsignal(signal.SIGUSR1) is unix_signals.received
    leaving.cancel()
    leaving.join()
    assert signal.getsignal(signal.SIGUSR1) is unix_signals.received
    staying.cancel()
    staying.join()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    with pytest.raises(TimeoutError):
        wait_unix_signal(signal.SIGUSR1, timeout=0)


def test_a_handler_set_meanwhile_stays() -> None:
    task = spawn(wait_unix_signal, signal.SIGUSR1)
    settle()

    def newer(number: int, frame: object) -> None: ...

    signal.signal(signal.SIGUSR1, newer)
    task.cancel()
    task.join()
    assert signal.signal(signal.SIGUSR1, signal.SIG_DFL) is newer


def test_our_handler_put_back_by_who_took_it_for_the_former_one_does_nothing() -> None:
    task = spawn(wait_unix_signal, signal.SIGUSR1)
    settle()
    ours = signal.getsignal(signal.SIGUSR1)
    task.cancel()
    task.join()
    signal.signal(signal.SIGUSR1, ours)
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def test_two_contexts_of_the_main_thread_both_get_it() -> None:
    task = spawn(wait_unix_signal, signal.SIGUSR1)
    settle()
    context = GLib.MainContext.new()
    context.push_thread_default()
    try:
        run(lambda: (spawn(os.kill, os.getpid(), signal.SIGUSR1), wait_unix_signal(signal.SIGUSR1)))
    finally:
        context.pop_thread_default()
    task.result()


def test_signals_that_cannot_be_waited_for_are_refused() -> None:
    with pytest.raises(ValueError, match="SIGKILL cannot be caught"):
        wait_unix_signal(signal.SIGKILL)
    with pytest.raises(ValueError, match="not a valid Signals"):
        wait_unix_signal(12345)
    with pytest.raises(ValueError):
        wait_unix_signal(signal.SIGUSR1, timeout=-1)
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            wait_unix_signal(signal.SIGUSR1)
        except GleenletError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread only" in str(errors[0])


def test_a_signal_that_glib_has_taken_is_refused() -> None:
    source = GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR2, lambda: True)
    try:
        with pytest.raises(GleenletError, match="SIGUSR2 has a handler in C already"):
            wait_unix_signal(signal.SIGUSR2)
    finally:
        GLib.source_remove(source)


def run_a_loop(main: Callable[[], None]) -> None:
    loop = GLib.MainLoop()
    spawn(lambda: main() or loop.quit())
    loop.run()


def run_an_application(main: Callable[[], None]) -> None:
    def activate(app: Gio.Application) -> None:
        app.hold()
        spawn(lambda: main() or app.release())

    app = Gio.Application()
    app.connect("activate", activate)
    app.run([])


def iterate_a_context(main: Callable[[], None]) -> None:
    task = spawn(main)
    while not task.done():
        GLib.MainContext.default().iteration(True)


def run_a_loop_twice(main: Callable[[], None]) -> None:
    loop = GLib.MainLoop()
    waiting = spawn(wait_unix_signal, signal.SIGUSR2)
    GLib.idle_add(loop.quit)
    loop.run()
    spawn(lambda: main() or loop.quit())
    loop.run()
    waiting.cancel()
    waiting.join()


LOOPS = {
    "GLib.MainLoop.run": run_a_loop,
    "Gio.Application.run": run_an_application,
    "context.iteration": iterate_a_context,
    "two runs": run_a_loop_twice,
}


@pytest.mark.parametrize("loop", LOOPS)
@in_child(says="SIGUSR1\nSIGTERM\nSIGINT", warns="")
def test_signals_wake_every_kind_of_loop_and_leave_it_as_it_was(loop: str) -> None:
    def main() -> None:
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            pid = gate.start_killer(number)
            get_hub().call_soon(gate.open)  # once this task waits
            wait_unix_signal(number)
            assert wait_child(pid) == 0
            print(number.name)

    with Gate() as gate:
        LOOPS[loop](main)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.set_wakeup_fd(-1) == -1


def test_somebody_elses_wake_up_descriptor_gets_its_byte() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    try:
        spawn(os.kill, os.getpid(), signal.SIGUSR1)
        wait_unix_signal(signal.SIGUSR1)
        wait_readable(reader)
        assert os.read(reader, 10) == bytes([signal.SIGUSR1])
    finally:
        assert signal.set_wakeup_fd(-1) == writer
        os.close(reader)
        os.close(writer)


def test_a_wake_up_descriptor_set_meanwhile_stays() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    task = spawn(wait_unix_signal, signal.SIGUSR1)
    settle()
    ours = signal.set_wakeup_fd(writer)
    task.cancel()
    task.join()
    assert signal.set_wakeup_fd(ours) == writer  # ours, put back when nobody waits, is nobody's to restore
    spawn(os.kill, os.getpid(), signal.SIGUSR1)
    wait_unix_signal(signal.SIGUSR1)
    assert signal.set_wakeup_fd(-1) == -1
    os.close(reader)
    os.close(writer)


def test_an_interrupt_while_the_descriptor_is_being_set_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(wakeup.Wakeup, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wait_unix_signal(signal.SIGUSR1)
    assert wakeup.wakeup.users == {}
    assert signal.set_wakeup_fd(-1) == -1
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


@in_child(says="False\nTrue 0")
def test_a_forked_child_has_a_wake_up_descriptor_of_its_own() -> None:
    forwarded: list[object] = []
    forward = wakeup.Wakeup.forward

    def noted(self: wakeup.Wakeup) -> None:
        forward(self)
        forwarded.append(self)

    def descriptor() -> tuple[int, int] | None:
        fd = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(fd)
        return wakeup.identity(fd)

    def main() -> None:
        waiting = spawn(wait_unix_signal, signal.SIGUSR1)
        sleep(0)
        parents = descriptor()
        pid = os.fork()
        if pid:
            print(descriptor() == parents, wait_child(pid))
        else:
            print(descriptor() in (None, parents), flush=True)
        os.write(wakeup.wakeup.writer, b" ")  # as Python's C handler does
        while not forwarded:
            sleep(0.001)
        os.kill(os.getpid(), signal.SIGUSR1)
        waiting.join()
        if not pid:
            os._exit(0)

    wakeup.Wakeup.forward = noted  # type: ignore[method-assign]
    run(main)


@in_child(says="7", warns="")
def test_a_thread_may_fork_while_the_main_thread_waits_for_a_signal() -> None:
    def fork() -> None:
        pid = os.fork()
        if not pid:
            os._exit(7)
        print(from_thread(wait_child, pid))
        os.kill(os.getpid(), signal.SIGUSR1)

    def main() -> None:
        waiting = spawn(wait_unix_signal, signal.SIGUSR1)
        sleep(0)
        threading.Thread(target=fork).start()
        waiting.join()

    warnings.simplefilter("ignore")  # Python's own, of a fork beside threads
    run(main)

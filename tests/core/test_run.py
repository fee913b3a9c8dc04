"""`run`: results, exits and Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gi.repository import GLib

import gleenlet.asyncio
from child import in_child
from gate import Gate
from gleenlet import (
    GleenletError,
    UnsafeSwitchError,
    get_hub,
    run,
    sleep,
    spawn,
    wait_child,
)
from gleenlet._core import Waiter
from inside import settle

pytestmark = pytest.mark.usefixtures("no_task_left")


def test_run_returns_and_raises() -> None:
    assert run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)
    with pytest.raises(SystemExit):
        run(sys.exit, 3)


def test_run_in_a_running_loop_is_refused() -> None:
    with pytest.raises(GleenletError, match=r"spawn\(\)"):
        run(run, print)
    errors: list[BaseException] = []

    def idle() -> None:
        try:
            run(print)
        except GleenletError as error:
            errors.append(error)

    GLib.idle_add(idle)
    settle()
    assert len(errors) == 1


def test_exit_in_another_task_ends_run() -> None:
    def main() -> None:
        spawn(sys.exit, 3)
        sleep(10)

    with pytest.raises(SystemExit):
        run(main)
    settle()


@in_child(status=3)
def test_exit_in_a_task_under_an_application_ends_the_program() -> None:
    spawn(sys.exit, 3)
    GLib.timeout_add_seconds(1000, print, "still here")
    GLib.MainLoop().run()


@in_child()
def test_ctrl_c_ends_run_once() -> None:
    log: list[str] = []

    def main() -> None:
        get_hub().call_soon(gate.open)  # once this task sleeps
        try:
            sleep(1000)
        except KeyboardInterrupt:
            log.append("interrupted")
            raise
        finally:
            sleep(0.001)
            log.append("finally")

    with Gate() as gate:
        killer = gate.start_killer(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            run(main)
    assert log == ["interrupted", "finally"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert get_hub().tasks() == []
    assert wait_child(killer) == 0


def test_ctrl_c_while_main_computes_and_twice() -> None:
    def computes() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100):
            pass
        pytest.fail("not interrupted")

    with pytest.raises(KeyboardInterrupt):
        run(computes)

    def stubborn() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(stubborn)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_another_task_goes_to_main() -> None:
    log: list[str] = []

    def other() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        sleep(0)
        log.append("other went on")

    def main() -> None:
        task = spawn(other)
        try:
            sleep(10)
        except KeyboardInterrupt:
            log.append("main interrupted")
            task.join()
            raise

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert log == ["main interrupted", "other went on"]


def test_somebody_elses_handler_is_left_alone() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        run(lambda: os.kill(os.getpid(), signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]


def test_error_in_the_driver_cancels_main() -> None:
    def main() -> None:
        try:
            sleep(10)
        finally:
            log.append("ended")

    log: list[str] = []
    get_hub().call_later(0.001, sys.exit, 1)
    with pytest.raises(SystemExit):
        run(main)
    settle()
    assert log == ["ended"]


def test_unsafe_switch_error_is_a_runtime_error_naming_itself() -> None:
    assert UnsafeSwitchError.__module__ == "gleenlet"
    waiter = Waiter()
    waiter.throw(UnsafeSwitchError)
    with pytest.raises(RuntimeError):
        waiter.wait()


INTERRUPTS_BEFORE_POLL = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>

/* GLib has poll(), from 2.80 on ppoll(); each asks here once for a signal if it is about to sleep for long. */
static void interrupt(int ready, long seconds) {
    static int done;
    if (seconds > 50 && !ready && !done++)
        raise(SIGINT);
}

int poll(struct pollfd *fds, nfds_t n, int timeout) {
    int (*real)(struct pollfd *, nfds_t, int) = dlsym(RTLD_NEXT, "poll");
    interrupt(real(fds, n, 0), timeout / 1000);
    return real(fds, n, timeout);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask) {
    int (*real)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *) = dlsym(RTLD_NEXT, "ppoll");
    struct timespec none = {0, 0};
    interrupt(real(fds, n, &none, mask), timeout ? timeout->tv_sec : 0);
    return real(fds, n, timeout, mask);
}
"""


def sleep_in_a_context_of_its_own() -> None:
    GLib.MainContext.new().push_thread_default()
    run(sleep, 1000)


def run_forever() -> None:
    loop = gleenlet.asyncio.EventLoop()
    loop.call_later(1000, print)
    loop.run_forever()


SLEEPS: dict[str, Callable[[], object]] = {
    "sleep": lambda: sleep(1000),
    "run": lambda: run(sleep, 1000),
    "in a context of its own": sleep_in_a_context_of_its_own,
    "asyncio.run": lambda: gleenlet.asyncio.run(asyncio.sleep(1000)),
    "asyncio.Runner": lambda: asyncio.Runner(loop_factory=gleenlet.asyncio.EventLoop).run(asyncio.sleep(1000)),
    "run_forever": run_forever,
}


@pytest.mark.parametrize("where", SLEEPS)
def test_interrupt_just_before_the_poll_is_not_lost(where: str, tmp_path: Path) -> None:
    source, library = tmp_path / "poll.c", tmp_path / "poll.so"
    source.write_text(INTERRUPTS_BEFORE_POLL)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    preload = {"LD_PRELOAD": f"{os.environ.get('LD_PRELOAD', '')} {library}"}  # a sanitizer's comes first
    in_child(env=preload)(is_interrupted)(where)


def is_interrupted(where: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        SLEEPS[where]()
    assert signal.set_wakeup_fd(-1) == -1

"""Children and Unix signals, real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator

import pytest
from gi.repository import Gio, GLib

from child import in_child, run_script
from gleenlet import (
    Cancelled,
    GleenletError,
    call,
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
from gleenlet._glib import children, unix_signals
from inside import settle
from other_threads import with_context


def start(script: str) -> int:
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ)


class Gate:
    """Children that wait in `read line` until it opens."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def start(self, script: str) -> int:
        stdin = [(os.POSIX_SPAWN_DUP2, self.reader, 0)]
        return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ, file_actions=stdin)

    def open(self) -> None:
        os.write(self.writer, b"\n")


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    os.close(gate.reader)
    os.close(gate.writer)


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture(params=["pidfd", "polling"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to learn of a child's end: the kernel's, and that of systems without pidfd_open."""
    if request.param == "polling":
        monkeypatch.setattr(children, "open_pidfd", lambda pid: None)
    return str(request.param)


# ---- children ----


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9), ("kill $$", -15)])
@pytest.mark.usefixtures("way")
def test_wait_child_gives_the_status_as_subprocess_does(script: str, status: int) -> None:
    assert subprocess.run(["sh", "-c", script], check=False).returncode == status
    pid = start(script)
    assert wait_child(pid) == status
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)  # reaped


def test_a_child_that_has_ended_already_is_no_error() -> None:
    pid = start("exit 7")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert wait_child(pid) == 7


@pytest.mark.usefixtures("way")
def test_other_tasks_run_while_a_child_does(gate: Gate) -> None:
    task = spawn(wait_child, gate.start("read line"))
    settle()
    assert not task.done()
    gate.open()
    assert task.result() == 0


@pytest.mark.usefixtures("way")
def test_several_tasks_learn_of_one_childs_end(gate: Gate) -> None:
    pid = gate.start("read line; exit 4")
    tasks = [spawn(wait_child, pid) for _ in range(3)]
    settle()
    gate.open()
    assert [task.result() for task in tasks] == [4, 4, 4]


@pytest.mark.usefixtures("way")
def test_a_popen_keeps_its_returncode() -> None:
    process = subprocess.Popen(["sh", "-c", "exit 5"])
    assert wait_child(process) == 5
    assert process.returncode == 5


def test_subprocess_and_gio_subprocess_work_beside_it() -> None:
    mine = start("exit 1")
    theirs = subprocess.Popen(["sh", "-c", "exit 2"])
    gios = Gio.Subprocess.new(["sh", "-c", "exit 3"], Gio.SubprocessFlags.NONE)
    waiting = spawn(wait_child, mine)
    assert call(gios.wait_async)
    assert gios.get_exit_status() == 3
    assert theirs.wait() == 2
    assert waiting.result() == 1


@pytest.mark.parametrize("pid", [1, os.getpid()])
def test_what_is_no_child_is_refused(pid: int) -> None:
    with pytest.raises(ChildProcessError, match=f"process {pid} is no child of this one"):
        wait_child(pid)


def test_a_child_that_somebody_else_reaps_meanwhile_is_an_error_not_a_wait_for_ever(gate: Gate) -> None:
    pid = gate.start("read line")
    task = spawn(wait_child, pid)
    settle()
    gate.open()
    os.waitpid(pid, 0)
    with pytest.raises(ChildProcessError, match="taken by somebody else"):
        task.result()


@pytest.mark.parametrize("bad", [0, -1])
def test_a_group_of_processes_is_no_child(bad: int) -> None:
    with pytest.raises(ValueError, match="pid must be"):
        wait_child(bad)


@pytest.mark.usefixtures("way")
def test_wait_child_gives_up_at_its_timeout_and_can_be_asked_again() -> None:
    before = descriptors()
    pid = start("exec sleep 60")
    with pytest.raises(TimeoutError):
        wait_child(pid, timeout=0.01)
    cancelled = spawn(wait_child, pid)
    settle()
    cancelled.cancel()
    with pytest.raises(Cancelled):
        cancelled.result()
    os.kill(pid, signal.SIGTERM)
    assert wait_child(pid) == -signal.SIGTERM
    assert children.children == {}
    assert len(descriptors() - before) <= 1  # the hub's epoll, made at the first wait


def test_a_system_without_pidfd_open_is_known_by_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refused)
    assert wait_child(start("exit 2")) == 2
    monkeypatch.delattr(os, "pidfd_open")
    assert wait_child(start("exit 2")) == 2


def test_no_descriptor_left_is_an_error(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int) -> int:
        raise OSError(24, "Too many open files")

    pid = gate.start("read line; exit 4")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pidfd_open", refused)
        with pytest.raises(OSError, match="Too many"):
            wait_child(pid)
    gate.open()
    assert wait_child(pid) == 4


# ---- Unix signals ----


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


def test_a_signal_from_outside_wakes_a_loop_that_sleeps_in_poll(gate: Gate) -> None:
    # The child sends it after it saw that this process sleeps: nothing here runs Python then.
    watcher = f"while ! grep -q '^State:.S' /proc/{os.getpid()}/status; do :; done; kill -USR1 {os.getpid()}"
    pid = gate.start(f"read line; {watcher}")
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


WAKE_UP = """
import os, signal, subprocess, sys
import gi
from gi.repository import Gio, GLib
from gleenlet import get_hub, spawn, wait_unix_signal, wait_child

reader, writer = os.pipe()

def killer(signum):
    state = f"/proc/{os.getpid()}/status"
    script = f"read line; while ! grep -q '^State:.S' {state}; do :; done; kill -{signum} {os.getpid()}"
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0)])

def main():
    for signum in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        pid = killer(signum)
        get_hub().call_soon(os.write, writer, b"\\n")  # once this task waits
        wait_unix_signal(signum)
        assert wait_child(pid) == 0
        print(signum.name)
    done()

RUN
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.set_wakeup_fd(-1))
"""

LOOPS = {
    "GLib.MainLoop.run": "loop = GLib.MainLoop(); done = loop.quit; spawn(main); loop.run()",
    "Gio.Application.run": (
        "app = Gio.Application(); done = app.release\n"
        "def activate(app): app.hold(); spawn(main)\n"
        "app.connect('activate', activate); app.run()"
    ),
    "context.iteration": (
        "over = []; done = lambda: over.append(1); spawn(main)\n"
        "while not over: GLib.MainContext.default().iteration(True)"
    ),
    "two runs": (
        "loop = GLib.MainLoop(); done = loop.quit\n"
        "waiting = spawn(wait_unix_signal, signal.SIGUSR2)\n"
        "GLib.idle_add(loop.quit); loop.run(); spawn(main); loop.run()\n"
        "waiting.cancel(); waiting.join()"
    ),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_signals_wake_every_kind_of_loop_and_leave_it_as_it_was(loop: str) -> None:
    outcome = run_script(WAKE_UP.replace("RUN", LOOPS[loop]))
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout.split() == ["SIGUSR1", "SIGTERM", "SIGINT", "True", "-1"]
    assert outcome.stderr == ""


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


@in_child()
def test_threads_that_wait_for_one_child_all_get_its_status() -> None:
    statuses: list[int] = []

    def wait(pid: int, barrier: threading.Barrier) -> None:
        def main() -> None:
            get_hub()
            barrier.wait()
            statuses.append(wait_child(pid))

        with_context(main)

    for _ in range(10):
        reader, writer = os.pipe()
        stdin = [(os.POSIX_SPAWN_DUP2, reader, 0)]
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", "read line; exit 3"], os.environ, file_actions=stdin)
        barrier = threading.Barrier(8)
        threads = [threading.Thread(target=wait, args=(pid, barrier)) for _ in range(8)]
        for one in threads:
            one.start()
        while pid not in children.children or children.children[pid].waiting < len(threads):
            time.sleep(0.001)
        os.write(writer, b"end\n")
        for one in threads:
            one.join()
        os.close(reader)
        os.close(writer)
    assert statuses == [3] * 80

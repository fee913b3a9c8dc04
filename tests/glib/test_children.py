"""The ends of child processes, real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from gi.repository import Gio

from child import in_child
from gate import Gate
from gleenlet import (
    Cancelled,
    call,
    get_hub,
    spawn,
    wait_child,
)
from gleenlet._glib import children
from inside import settle
from other_threads import with_context


def start(script: str) -> int:
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ)


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as gate:
        yield gate


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture(params=["pidfd", "polling"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to learn of a child's end: the kernel's, and that of systems without pidfd_open."""
    if request.param == "polling":
        monkeypatch.setattr(children, "open_pidfd", lambda pid: None)
    return str(request.param)


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
        with Gate() as gate:
            pid = gate.start("read line; exit 3")
            barrier = threading.Barrier(8)
            threads = [threading.Thread(target=wait, args=(pid, barrier)) for _ in range(8)]
            for one in threads:
                one.start()
            while pid not in children.children or children.children[pid].waiting < len(threads):
                time.sleep(0.001)
            gate.open()
            for one in threads:
                one.join()
    assert statuses == [3] * 80

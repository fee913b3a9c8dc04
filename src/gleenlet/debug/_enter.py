"""Have a process listen that did not think of it: by `sys.remote_exec`, from Python 3.14 on, woken if its loop sleeps.

Python runs what it is asked to at its next safe point, and a loop asleep in poll() comes to none. So one byte's worth
of waking is done as GLib itself does it: 1 is added to the eventfd of the context that the main thread polls. The hub's
source sees then that something is asked (dispatch.c).
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from gleenlet import GleenletError

__all__ = ["enter"]

SECONDS = 5.0  # until the process has done what it is asked to
SCRIPT = """
import json, os, sys
try:
    if "gleenlet" not in sys.modules:
        raise RuntimeError("it does not use gleenlet")
    from gleenlet.debug import listen
    answer = {{"path": listen().path}}
except BaseException as error:
    answer = {{"error": str(error) or type(error).__name__}}
with open({answer!r} + ".part", "w") as file:
    json.dump(answer, file)
os.rename({answer!r} + ".part", {answer!r})
"""
PIDFD_GETFD = 438
POLLS = {"x86_64": {7, 271}, "aarch64": {73}}  # numbers of the system calls poll and ppoll
POLLFD = struct.Struct("ihh")


def enter(pid: int) -> str:
    """Have the process listen; return the path of its socket, as it is reached from here.

    Raises: GleenletError: why it cannot be had to.
    """
    execute: Callable[[int, str], None] | None = getattr(sys, "remote_exec", None)
    if execute is None:
        raise GleenletError("sys.remote_exec, which would have it listen, comes with Python 3.14")
    root = f"/proc/{pid}/root"  # what is its file system, where it is in a sandbox
    folder = None
    try:
        owner = os.stat(f"/proc/{pid}")
        folder = tempfile.mkdtemp(prefix="gleenlet-", dir=f"{root}/tmp")
        os.chown(folder, owner.st_uid, owner.st_gid)
        inside = folder.removeprefix(root)
        script = os.path.join(folder, "listen.py")
        with open(script, "w") as file:
            file.write(SCRIPT.format(answer=f"{inside}/answer"))
        execute(pid, f"{inside}/listen.py")
        answer = wait_for(f"{folder}/answer", lambda: wake(pid))
    except PermissionError:
        raise GleenletError(
            "to have it listen needs the rights of a debugger: be root, or set kernel.yama.ptrace_scope to 0"
        ) from None
    except (OSError, RuntimeError) as error:
        raise GleenletError(f"it cannot be had to listen: {error}") from None
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    if "error" in answer:
        raise GleenletError(f"it cannot listen: {answer['error']}")
    return root + str(answer["path"])


def wait_for(path: str, wake: Callable[[], None]) -> dict[str, Any]:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        wake()
        try:
            with open(path) as file:
                answer: dict[str, Any] = json.load(file)
                return answer
        except FileNotFoundError:
            time.sleep(0.01)
    raise GleenletError(f"it was asked to listen and did not within {SECONDS:.0f} s: its main thread is in C code")


def wake(pid: int) -> None:
    """Add 1 to the eventfds that the main thread polls, if it sleeps in poll(), as GLib does itself."""
    pidfd = os.pidfd_open(pid)
    try:
        for number in polled(pid):
            if os.readlink(f"/proc/{pid}/fd/{number}") == "anon_inode:[eventfd]":
                add_one(pidfd, number)
    except (FileNotFoundError, ValueError):  # it is at work meanwhile
        pass
    finally:
        os.close(pidfd)


def polled(pid: int) -> list[int]:
    """The descriptors that its main thread waits for just now."""
    with open(f"/proc/{pid}/syscall") as file:
        call, *numbers = file.read().split()
    if call not in map(str, POLLS.get(os.uname().machine, ())):
        return []
    where, count = int(numbers[0], 16), int(numbers[1], 16)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(where)
        found = memory.read(min(count, 4096) * POLLFD.size)
    return [fd for fd, _, _ in POLLFD.iter_unpack(found[: len(found) // POLLFD.size * POLLFD.size]) if fd >= 0]


def add_one(pidfd: int, number: int) -> None:
    import ctypes

    fd = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, number, 0)
    if fd < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    try:
        os.eventfd_write(fd, 1)
    finally:
        os.close(fd)

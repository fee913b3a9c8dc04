"""No descriptor is free: an OSError says so, and once one is free again all works."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import resource
import sys
import threading
from collections.abc import Callable

import pytest

import gleenlet
import gleenlet.asyncio
import gleenlet.debug
from child import in_child


@functools.cache
def writer() -> int:
    return os.pipe()[1]


def in_thread(func: Callable[[], object]) -> None:
    errors: list[BaseException] = []

    def body() -> None:
        try:
            func()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


WAITS: dict[str, Callable[[], object]] = {
    "sleep": lambda: gleenlet.sleep(0.01),
    "run": lambda: gleenlet.run(gleenlet.sleep, 0.01),
    "join": lambda: gleenlet.spawn(gleenlet.sleep, 0.01).join(),
    "writable": lambda: gleenlet.wait_writable(writer()),
    "child": lambda: gleenlet.wait_child(os.posix_spawn("/bin/true", ["true"], {})),
    "thread": lambda: gleenlet.to_thread(int),
    "context": lambda: in_thread(lambda: gleenlet.sleep(0.001)),
    "asyncio": lambda: gleenlet.asyncio.run(asyncio.sleep(0.001)),
    "await": lambda: gleenlet.run(lambda: gleenlet.asyncio.await_(asyncio.sleep(0.001))),
    "listen": lambda: gleenlet.debug.listen().close(),
}


def wait_with(free: int, what: str) -> None:
    """Wait with so many free descriptors, and once more when there are plenty."""
    if what != "context":
        gleenlet.get_hub()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
    taken: list[int] = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    for _ in range(free):
        os.close(taken.pop())
    try:
        WAITS[what]()
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
    for fd in taken:
        os.close(fd)
    WAITS[what]()
    gleenlet.run(gleenlet.sleep, 0.001)


@pytest.mark.parametrize("what", WAITS)
@in_child()
def test_a_wait_that_gets_no_descriptor_says_so_and_works_later(what: str) -> None:
    writer()
    for free in range(4):  # each in a process that has waited for nothing before
        pid = os.fork()
        if not pid:
            wait_with(free, what)
            sys.exit()
        assert os.waitpid(pid, 0)[1] == 0, f"with {free} free descriptors"

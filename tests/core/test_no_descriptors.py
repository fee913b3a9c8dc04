"""No descriptor is free: an OSError says so, and once one is free again all works."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

import gleenlet
from child import in_child, run_script
from descriptors import take_all_descriptors
from gleenlet._core.wakeup import wakeup
from gleenlet.debug import _listen

PROGRAM = """
import errno, faulthandler, os, resource, sys
faulthandler.dump_traceback_later(60, exit=True)
import asyncio, threading
from gi.repository import Gio
import gleenlet, gleenlet.asyncio, gleenlet.debug
free = int(sys.argv[1])
reader, writer = os.pipe()
def in_thread(func):
    errors = []
    def body():
        try:
            func()
        except BaseException as error:
            errors.append(error)
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
WAITS = {{
    "sleep": lambda: gleenlet.sleep(0.01),
    "run": lambda: gleenlet.run(gleenlet.sleep, 0.01),
    "join": lambda: gleenlet.spawn(gleenlet.sleep, 0.01).join(),
    "writable": lambda: gleenlet.wait_writable(writer),
    "child": lambda: gleenlet.wait_child(os.posix_spawn("/bin/true", ["true"], {{}})),
    "thread": lambda: gleenlet.to_thread(int),
    "context": lambda: in_thread(lambda: gleenlet.sleep(0.001)),
    "asyncio": lambda: gleenlet.asyncio.run(asyncio.sleep(0.001)),
    "await": lambda: gleenlet.run(lambda: gleenlet.asyncio.await_(asyncio.sleep(0.001))),
    "listen": lambda: gleenlet.debug.listen().close(),
}}
wait = WAITS["{what}"]
limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, limit[1]))
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    pass
for _ in range(free):
    os.close(taken.pop())
try:
    wait()
except OSError as error:
    assert error.errno == errno.EMFILE, repr(error)
    print("EMFILE")
else:
    print("works")
for fd in taken:
    os.close(fd)
wait()
gleenlet.run(gleenlet.sleep, 0.001)
print("ok")
"""


@pytest.mark.parametrize("free", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "what", ["sleep", "run", "join", "writable", "child", "thread", "context", "asyncio", "await", "listen"]
)
def test_a_wait_that_gets_no_descriptor_says_so_and_works_later(what: str, free: int) -> None:
    outcome = run_script(PROGRAM.format(what=what), str(free))
    assert outcome.stdout in ("EMFILE\nok\n", "works\nok\n"), outcome.stdout + outcome.stderr
    assert outcome.status == 0, outcome.stderr


@in_child()
def test_a_child_that_is_forked_then_has_a_pipe_of_its_own_for_signals() -> None:
    task = gleenlet.spawn(gleenlet.wait_unix_signal, signal.SIGUSR1)
    gleenlet.sleep(0)
    parents = os.fstat(wakeup.reader).st_ino, os.fstat(wakeup.writer).st_ino
    taken = take_all_descriptors()
    pid = os.fork()
    for fd in taken:
        os.close(fd)
    if not pid:
        own = os.fstat(wakeup.reader).st_ino, os.fstat(wakeup.writer).st_ino
        os._exit(3 if own[0] == own[1] and own != parents else 4)
    assert gleenlet.wait_child(pid) == 3
    os.kill(os.getpid(), signal.SIGUSR1)
    task.result()


@in_child()
def test_who_looks_in_from_outside_is_answered_once_one_is_free() -> None:
    tried, freed = threading.Event(), threading.Event()

    class Time:
        @staticmethod
        def sleep(_seconds: float) -> None:
            tried.set()
            freed.wait()

    vars(_listen)["time"] = Time
    with _listen.listen() as listener, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        taken = take_all_descriptors()
        client.connect(listener.path)
        client.sendall(b'{"command": "hello"}\n')
        tried.wait()
        for fd in taken:
            os.close(fd)
        freed.set()
        assert b"program" in client.recv(4096)

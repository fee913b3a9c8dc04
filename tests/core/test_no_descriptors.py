"""No descriptor is free: an OSError says so, and once one is free again all works."""

from __future__ import annotations

import re

import pytest

from child import run_script

PROGRAM = """
import errno, os, resource, sys
import asyncio, threading
from gi.repository import Gio
import gleenlet, gleenlet.asyncio, gleenlet.debug
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
def tries(free):
    if "{what}" != "context":
        gleenlet.get_hub()
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

for free in range(4):  # each in a process that has waited for nothing before
    pid = os.fork()
    if not pid:
        tries(free)
        sys.exit()
    if os.waitpid(pid, 0)[1]:
        sys.exit(f"with {{free}} free descriptors")
"""


@pytest.mark.parametrize(
    "what", ["sleep", "run", "join", "writable", "child", "thread", "context", "asyncio", "await", "listen"]
)
def test_a_wait_that_gets_no_descriptor_says_so_and_works_later(what: str) -> None:
    outcome = run_script(PROGRAM.format(what=what))
    assert re.fullmatch(r"((EMFILE|works)\nok\n){4}", outcome.stdout), outcome.stdout + outcome.stderr
    assert outcome.status == 0, outcome.stderr

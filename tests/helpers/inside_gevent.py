"""Runs programs with gleenlet.gevent in a child process: gevent has one hub and patches the standard library.

What is never late fails on a stalled machine, so a program waits `until` something is there, however long that takes.
What is lost never comes: then the program is ended, as every child that takes too long, and says where it stands.
"""

from __future__ import annotations

from child import Outcome, run_script

PRELUDE = """
import faulthandler, os, signal, sys, threading, time
faulthandler.enable()
from gi.repository import Gio, GLib, GObject
import gleenlet.gevent
{early}
import gevent, gevent.event, gevent.os, gevent.queue, gevent.socket, gleenlet
from gevent.exceptions import BlockingSwitchOutError
gleenlet.gevent.install()
loop = GLib.MainLoop()
began = time.monotonic()

def check(seconds, since=None):           # at least; how late it may be is the machine's affair
    assert time.monotonic() - (since or began) >= seconds

def until(condition):
    while not condition():
        gevent.sleep(0.002)

def forked(in_child):                     # gevent misses the end of a child that ends before fork() has returned
    reader, writer = os.pipe()
    pid = gevent.os.fork()
    if not pid:
        os.read(reader, 1)
        in_child()
    os.write(writer, b"x")
    return os.waitstatus_to_exitcode(gevent.os.waitpid(pid, 0)[1])

def turns_of(loop_runs, ticks=10):        # how often a loop turns until it has ticked; asleep it turns for ticks alone
    context, seen, turns = GLib.MainContext.default(), [], 0
    tick = GLib.timeout_add(10, lambda: seen.append(1) or True, priority=GLib.PRIORITY_HIGH)
    while len(seen) < ticks:
        loop_runs(context)
        turns += 1
    GLib.source_remove(tick)
    return turns

class Counter(GObject.Object):
    value = GObject.Property(type=int, default=0)
    __gsignals__ = {{"open": (GObject.SignalFlags.RUN_LAST, None, (int,))}}

def spin():
    while True:
        gevent.sleep(0)
"""

# gevent as it is, polled from a GLib timeout: the usual way to have both.
PLAIN = "gleenlet.gevent.install = lambda: None"
POLLED = "GLib.timeout_add(1, lambda: gevent.sleep(0.0005) or True)\n"


def outcome_of(program: str, early: str = "", **options: object) -> Outcome:
    """Run `program` after the prelude, `early` before gevent's imports."""
    return run_script(PRELUDE.format(early=early) + program, **options)  # type: ignore[arg-type]


def alive(program: str, early: str = "", **options: object) -> str:
    """The same; it must end well. What it printed."""
    outcome = outcome_of(program, early, **options)
    assert outcome.status == 0, f"{outcome}\n{outcome.stdout}\n{outcome.stderr}"
    return outcome.stdout

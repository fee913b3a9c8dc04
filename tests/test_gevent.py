"""gleenlet.gevent. Each program runs in a child: gevent has one hub and patches the standard library."""

from __future__ import annotations

import re
import signal

import pytest

import gleenlet
from child import run_script

pytest.importorskip("gevent")

PRELUDE = """
import faulthandler, os, signal, sys, threading, time
faulthandler.enable()
from gi.repository import Gio, GLib, GObject
import gleenlet.gevent
{early}
import gevent, gevent.event, gevent.queue, gevent.socket, gleenlet
from gevent.exceptions import BlockingSwitchOutError
gleenlet.gevent.install()
loop = GLib.MainLoop()
began = time.monotonic()

def check(seconds, since=None):            # at least; how late it may be is the machine's affair
    assert time.monotonic() - (since or began) >= seconds

class Counter(GObject.Object):
    value = GObject.Property(type=int, default=0)
    __gsignals__ = {{"open": (GObject.SignalFlags.RUN_LAST, None, (int,))}}

import faulthandler
faulthandler.dump_traceback_later(60, exit=True)  # what is asleep for good
"""


def alive(program: str, early: str = "", **options: object) -> str:
    """Run `program` after the prelude; it must end well. What it printed."""
    outcome = run_script(PRELUDE.format(early=early) + program, timeout=90, **options)  # type: ignore[arg-type]
    assert outcome.status == 0, f"{outcome}\n{outcome.stdout}\n{outcome.stderr}"
    return outcome.stdout


# ---- time ----


def test_timers_are_on_time_when_started_from_a_glib_callback_that_was_busy() -> None:
    alive("""
def callback():
    global started
    time.sleep(0.06)                      # libev's clock stands still meanwhile
    started = time.monotonic()
    gevent.spawn_later(0.05, lambda: (check(0.05, since=started), loop.quit()))

GLib.timeout_add(10, callback)
loop.run()
print(time.monotonic() - started)
assert time.monotonic() - started >= 0.05
""")


def test_timers_are_on_time_in_greenlets_and_from_threads() -> None:
    alive("""
def sleeper():
    for seconds in (0.001, 0.01, 0.05):
        start = time.monotonic()
        gevent.sleep(seconds)
        check(seconds, since=start)

gevent.joinall([gevent.spawn(sleeper) for _ in range(20)], raise_error=True)

def late():
    time.sleep(0.05)                      # burns: a Timeout started now must not count it
    start = time.monotonic()
    with gevent.Timeout(0.05, False):
        gevent.sleep(1)
    check(0.05, since=start)

gevent.spawn(late).get()
hub = gevent.get_hub()
done = []

def thread():
    time.sleep(0.05)
    hub.loop.run_callback_threadsafe(lambda: done.append(True) or loop.quit())

threading.Thread(target=thread).start()
loop.run()
assert done
""")


def test_an_async_send_a_signal_and_a_new_descriptor_reach_a_suspended_hub() -> None:
    alive("""
hub = gevent.get_hub()
seen = []
def see(what):
    seen.append(what)
    if len(seen) == 3:
        loop.quit()

gevent.sleep(0.01)                        # the hub is born and suspended
watcher = hub.loop.async_()
watcher.start(see, "async")
reader, writer = os.pipe()
io = hub.loop.io(reader, 1)
handler = gevent.signal_handler(signal.SIGUSR1, see, "signal")

def start():
    io.start(lambda: (see("io"), io.stop()))
    os.write(writer, b"x")
    return False

GLib.timeout_add(20, start)
threading.Timer(0.05, watcher.send).start()
threading.Timer(0.08, os.kill, (os.getpid(), signal.SIGUSR1)).start()
loop.run()
assert sorted(seen) == ["async", "io", "signal"], seen
""")


def test_a_signal_and_an_async_send_between_two_waits_of_libev_are_not_lost() -> None:
    """libev does not write to its pipe while callbacks run, it only waits for no time: see _libev.c."""
    alive("""
hub = gevent.get_hub()
seen = []
def see(what):
    seen.append(what)
    if len(seen) == 2:
        loop.quit()

watcher = hub.loop.async_()
watcher.start(see, "async")
handler = gevent.signal_handler(signal.SIGUSR1, see, "signal")
gevent.sleep(0.01)

def worker():
    os.kill(os.getpid(), signal.SIGUSR1)
    watcher.send()
    time.sleep(0.005)                     # the slice is over: GLib is asked before libev

for _ in range(20):
    seen.clear()
    gevent.spawn(worker)
    loop.run()
    assert sorted(seen) == ["async", "signal"], seen
""")


def test_whatever_is_started_between_two_iterations_by_hand_runs_in_the_next() -> None:
    alive("""
context = GLib.MainContext.default()
seen = []
for number in range(5):
    gevent.spawn(seen.append, number)
    while len(seen) <= number:
        context.iteration(True)
    gevent.spawn_later(0.01, seen.append, number)
    watchdog = GLib.timeout_add(10_000, lambda: sys.exit("asleep"))
    while len(seen) <= number + 1:
        context.iteration(True)
    seen.pop()
    GLib.source_remove(watchdog)
check(0.05)
""")


# ---- GLib seen from gevent ----


def test_idle_add_timeout_add_and_quit_take_effect_at_once_with_no_other_source() -> None:
    alive("""
app = Gio.Application(application_id="org.gleenlet.Test", flags=Gio.ApplicationFlags.NON_UNIQUE)
app.connect("activate", lambda app: (app.hold(), gevent.spawn(worker)))
done = []

def worker():
    for add in (GLib.idle_add, lambda f: GLib.timeout_add(0, f)):
        event = gevent.event.Event()
        add(event.set)
        event.wait()
        done.append(add)
    app.quit()

assert gleenlet.gevent.run(app.run, []) == 0
assert len(done) == 2
""")


def test_a_sleep_0_loop_ends_with_its_timeout() -> None:
    alive("""
with gevent.Timeout(0.01, False):
    while True:
        gevent.sleep(0)
check(0.01)
""")


def test_glib_is_polled_after_patch_all() -> None:
    alive(
        """
from gleenlet import _libev
def worker():
    while len(ticks) < 3:
        time.sleep(0.01)
    loop.quit()

before = _libev.polls()
ticks = []
threading.Thread(target=worker).start()
GLib.timeout_add(10, lambda: ticks.append(1) or True)
loop.run()
assert _libev.polls() > before
ticks.clear()
while len(ticks) < 3:                     # no loop runs: the waiting main greenlet drives GLib
    time.sleep(0.01)
""",
        early="from gevent import monkey; monkey.patch_all()",
    )


def test_a_greenlet_closes_a_descriptor_that_glib_watches_and_reuses_its_number() -> None:
    alive("""
seen = []

def worker():
    reader, writer = os.pipe()
    source = GLib.io_add_watch(reader, 0, GLib.IOCondition.IN, lambda *_: seen.append("old"))
    gevent.sleep(0.01)
    GLib.source_remove(source)
    os.close(reader)
    again, other = os.pipe()
    assert again == reader
    GLib.io_add_watch(again, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN, lambda *_: seen.append("new"))
    os.write(other, b"x")
    while not seen:
        gevent.sleep(0.01)
    third, fourth = os.pipe()
    GLib.io_add_watch(third, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN, lambda *_: seen.append("closed"))
    os.close(third)                       # closed while GLib watches it
    a, b = gevent.socket.socketpair()     # takes the number
    b.sendall(b"data")
    seen.append(a.recv(10))
    loop.quit()

gevent.spawn(worker)
loop.run()
assert seen[0] == "new" and b"data" in seen, seen
""")


def test_an_idle_program_hardly_polls() -> None:
    alive("""
from gleenlet import _libev
gevent.spawn(gevent.sleep, 10)
GLib.timeout_add(1200, loop.quit)
def measure():
    global polls, cpu
    polls, cpu = _libev.polls(), time.process_time()
    return False
GLib.timeout_add(200, measure)
loop.run()
assert _libev.polls() - polls <= 3, _libev.polls() - polls
assert time.process_time() - cpu < 0.5     # of a second
""")


def test_a_wait_for_a_glib_source_is_no_loop_exit_but_a_wait_for_nothing_is() -> None:
    alive("""
result = gevent.event.AsyncResult()
GLib.timeout_add(50, result.set, "by GLib")
assert result.get() == "by GLib"
reader, writer = os.pipe()
event = gevent.event.Event()
GLib.io_add_watch(reader, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN, lambda *_: event.set())
threading.Timer(0.05, os.write, (writer, b"x")).start()
event.wait()
for _ in range(2):
    try:
        gevent.event.Event().wait()
    except gevent.exceptions.LoopExit:
        pass
    else:
        sys.exit("no LoopExit")
gevent.sleep(0.01)
gevent.spawn(gleenlet.sleep, 0.05).get()
file = Gio.File.new_for_path("/")
done = gevent.event.AsyncResult()
file.query_info_async("*", 0, 0, None, lambda f, r: done.set(f.query_info_finish(r).get_name()))
assert done.get() == "/"
""")


# ---- the stack ----

HAZARD_EMISSION = """
def worker(k):
    for i in range(100):
        counter = counters[(k * 7 + i) % len(counters)]
        try:
            counter.emit("open", i * k)
            counter.value = i
        except gleenlet.UnsafeSwitchError:
            pass
        gevent.sleep(0.001)

refused = []
def on_open(_, v):
    try:
        gevent.sleep(0.001 + v % 7 / 1000)
    except gleenlet.UnsafeSwitchError as error:
        refused.append(error)

counters = [Counter() for _ in range(10)]
for counter in counters:
    counter.connect("open", on_open)
    counter.connect("notify::value", lambda *_: on_open(None, 1))
workers = [gevent.spawn(worker, k) for k in range(20)]
gevent.spawn(lambda: (gevent.joinall(workers), loop.quit()))
loop.run()
print("survived; finished:", sum(w.dead for w in workers))
"""

HAZARD_NESTED = """
def deep(n, counter, i):
    if n == 0:
        return sorted([3, 1, 2], key=lambda v: counter.set_property("value", v) or v)
    return max([n], key=lambda _: bool(deep(n - 1, counter, i)))

def worker(k):
    i = 0
    while True:
        i += 1
        counter = counters[(k * 7 + i) % len(counters)]
        counter.value = i
        deep(20, counter, i)
        steps.append(i)
        gevent.sleep(0.001)

def on_open(dialog, level):
    inner = GLib.MainLoop()
    GLib.timeout_add(30, lambda: len(steps) == before or inner.quit())
    if level:
        GLib.timeout_add(5, lambda: dialog.emit("open", level - 1))
    before = len(steps)
    inner.run()
    nested.append(len(steps) - before)

steps, nested = [], []
counters = [Counter() for _ in range(10)]
for counter in counters:
    counter.connect("notify::value", lambda *_: None)
dialog = Counter()
dialog.connect("open", on_open)
for k in range(20):
    gevent.spawn(worker, k)
GLib.timeout_add(20, lambda: dialog.emit("open", 3) or True)
GLib.timeout_add(1500, loop.quit)
loop.run()
print("survived", len(nested), min(nested))
assert min(nested) > 0, nested
"""

# gevent as it is, polled from a GLib timeout: the usual way to have both.
PLAIN = "gleenlet.gevent.install = lambda: None"
POLLED = "GLib.timeout_add(1, lambda: gevent.sleep(0.0005) or True)\n"


@pytest.mark.parametrize("hazard", [HAZARD_EMISSION, HAZARD_NESTED], ids=["emission", "nested"])
def test_the_hazards_kill_plain_gevent(hazard: str) -> None:
    outcome = run_script(PRELUDE.format(early=PLAIN) + POLLED + hazard)
    assert outcome.signal in {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS}, f"{outcome}\n{outcome.stderr}"


def test_a_greenlet_that_waits_in_a_handler_it_triggered_gets_an_error() -> None:
    output = alive(HAZARD_EMISSION + "assert len(refused) > 1000, len(refused)\nprint(refused[0])")
    assert "survived; finished: 20" in output
    assert re.search(r"on_open \(.+:\d+\)", output)
    assert "gevent.spawn" in output


def test_greenlets_go_on_in_nested_loops_in_a_handler() -> None:
    assert "survived" in alive(HAZARD_NESTED)


def test_blocking_in_a_glib_callback_is_gevents_own_error() -> None:
    alive("""
errors = []
def callback():
    for wait in (lambda: gevent.sleep(0.01), lambda: gevent.event.Event().wait(), gevent.spawn(int).join):
        try:
            wait()
        except BlockingSwitchOutError as error:
            errors.append(str(error))
    loop.quit()

gevent.sleep(0)
GLib.idle_add(callback)
loop.run()
assert len(errors) == 3 and "callback" in errors[0] and "gevent.spawn" in errors[0], errors
""")


def test_the_main_greenlet_may_wait_in_an_emission_of_its_own_and_notify_in_a_nested_loop() -> None:
    alive("""
counter = Counter()
steps = []
def changed(*_):
    gevent.sleep(0.02)                    # the main greenlet's frames never move
    steps.append(counter.value)

def spin():
    other = Counter()
    other.connect("notify::value", lambda *_: None)
    while True:
        other.value += 1
        gevent.sleep(0.001)

spinner = gevent.spawn(spin)
counter.connect("notify::value", changed)
for value in range(5):
    counter.value = value + 1

def nested(*_):
    inner = GLib.MainLoop()
    GLib.timeout_add(20, inner.quit)
    GLib.timeout_add(5, lambda: plain.set_property("value", plain.value + 1))
    inner.run()

plain = Counter()
plain.connect("open", nested)
plain.connect("notify::value", lambda *_: steps.append("notify"))
plain.emit("open", 1)
assert steps == [1, 2, 3, 4, 5, "notify"], steps
""")


def test_a_main_greenlet_deeper_than_the_floor_pauses_gevent_and_does_not_crash() -> None:
    output = alive("""
import resource, warnings
if resource.getrlimit(resource.RLIMIT_STACK)[0] != 1 << 20:   # a small stack keeps little for the loop
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY))
    os.execv(sys.executable, sys.orig_argv)
ticks = []
def tick():
    other = Counter()
    other.connect("notify::value", lambda *_: None)
    while True:
        other.value += 1
        ticks.append(1)
        gevent.sleep(0.001)

gevent.spawn(tick)
gevent.sleep(0.05)

def deeper(counter, levels):              # an emission is some kilobytes of C stack
    if levels:
        return counter.emit("open", levels - 1)
    before = len(ticks)
    inner = GLib.MainLoop()
    GLib.timeout_add(60, inner.quit)
    inner.run()
    print("paused" if len(ticks) == before else "ran")

counter = Counter()
counter.connect("open", deeper)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", RuntimeWarning)
    counter.emit("open", 250)
before = len(ticks)
gevent.sleep(0.05)
print(len(caught), caught[0].message if caught else "", len(ticks) > before)
""")
    assert output.startswith("paused\n1 gevent is paused")
    assert output.rstrip().endswith("True")


def test_a_loop_in_a_handler_of_a_greenlet_pauses_gevent_without_spinning() -> None:
    alive("""
import warnings
warnings.simplefilter("ignore", RuntimeWarning)
near, far = gevent.socket.socketpair()
received = []
def reader():
    while data := near.recv(10):
        received.append(data)

def handler(*_):                          # as a dialog that runs a loop of its own
    far.send(b"x")
    inner = GLib.MainLoop()
    GLib.timeout_add(200, inner.quit)
    before, cpu = len(received), time.process_time()
    inner.run()
    paused.append((len(received) - before, time.process_time() - cpu))

paused = []
counter = Counter()
counter.connect("open", handler)
gevent.spawn(reader)
gevent.sleep(0.01)
gevent.spawn(counter.emit, "open", 1).get()
assert paused[0][0] == 0 and paused[0][1] < 0.1, paused
gevent.sleep(0.01)
assert received == [b"x"]
""")


def test_a_glib_loop_in_a_greenlet_with_60_descriptors() -> None:
    alive("""
pipes = [os.pipe() for _ in range(60)]
seen = []
def runner():
    inner = GLib.MainLoop()
    for reader, _ in pipes:
        GLib.io_add_watch(reader, 0, GLib.IOCondition.IN, lambda fd, _: seen.append(os.read(fd, 1)))
    def feed():
        for _, writer in pipes:
            os.write(writer, b"x")
            gevent.sleep(0.001)
        inner.quit()
    gevent.spawn(feed)
    inner.run()
    gevent.sleep(0.01)
    return len(seen)

assert gevent.spawn(runner).get() == 60
outer = gevent.spawn(runner)
outer.link(lambda _: loop.quit())
loop.run()
assert outer.get() == 120
""")


def test_two_glib_loops_in_two_greenlets_end_last_in_first_out() -> None:
    alive("""
log = []
def runner(name, seconds):
    inner = GLib.MainLoop()
    gevent.spawn_later(seconds, inner.quit)
    inner.run()
    log.append(name)
    gevent.sleep(0.01)
    log.append(name + " went on")

first, second = gevent.spawn(runner, "first", 0.05), gevent.spawn(runner, "second", 0.1)
gevent.joinall([first, second], raise_error=True)
assert log.index("second") < log.index("first"), log
assert len(log) == 4
gevent.sleep(0.01)
""")


# ---- errors ----


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise SystemExit(3)", "SystemExit"),
        ("gevent.get_hub().destroy()", "LoopExit"),
        ("gevent.get_hub().parent.throw(ValueError('thrown'))", "ValueError"),
    ],
)
def test_an_error_for_the_main_greenlet_ends_the_application(action: str, expected: str) -> None:
    alive(f"""
def worker():
    gevent.sleep(0.02)
    {action}

gevent.get_hub().exception_stream = None
app = Gio.Application(application_id="org.gleenlet.Test", flags=Gio.ApplicationFlags.NON_UNIQUE)
app.connect("activate", lambda app: (app.hold(), gevent.spawn(worker)))
try:
    gleenlet.gevent.run(app.run, [])
except BaseException as error:
    assert type(error).__name__ == "{expected}", repr(error)
else:
    sys.exit("no error")
check(0.02)
gevent.sleep(0.02)                        # gevent still works
""")


def test_an_ordinary_error_in_a_greenlet_is_reported_and_the_application_goes_on() -> None:
    outcome = run_script(
        PRELUDE.format(early="")
        + """
def worker():
    raise ValueError("reported")
gevent.spawn(worker)
gevent.spawn_later(0.05, loop.quit)
gleenlet.gevent.run(loop.run)
print("went on")
"""
    )
    assert outcome.stdout == "went on\n"
    assert "ValueError: reported" in outcome.stderr


def test_an_error_for_a_main_greenlet_that_runs_a_bare_loop_is_reported_and_system_exit_exits() -> None:
    outcome = run_script(
        PRELUDE.format(early="")
        + """
gevent.get_hub().exception_stream = None
gevent.spawn_later(0.01, gevent.get_hub().parent.throw, ValueError("for the main greenlet"))
gevent.spawn_later(0.05, lambda: print("went on"))
gevent.spawn_later(0.06, sys.exit, 3)
loop.run()
"""
    )
    assert "ValueError: for the main greenlet" in outcome.stderr
    assert (outcome.stdout, outcome.status) == ("went on\n", 3)


def test_an_exception_of_the_callable_itself_comes_out_of_run() -> None:
    alive("""
def main():
    gevent.sleep(0.01)
    raise ValueError("mine")
try:
    gleenlet.gevent.run(main)
except ValueError as error:
    assert str(error) == "mine"
else:
    sys.exit("no error")
""")


def test_the_hub_is_destroyed_in_a_glib_callback_and_a_new_one_takes_over() -> None:
    alive("""
log = []
def destroy():
    gevent.get_hub().destroy()
    gevent.spawn(lambda: (gevent.sleep(0.01), log.append("new"), loop.quit()))

gevent.spawn(gevent.sleep, 10)
GLib.timeout_add(30, destroy)
gleenlet.gevent.run(loop.run)
assert log == ["new"]
gevent.get_hub().destroy(destroy_loop=True)
gevent.sleep(0.01)
loop = GLib.MainLoop()
gevent.spawn_later(0.02, loop.quit)
loop.run()
""")


def test_keyboard_interrupt_reaches_the_waiting_main_greenlet() -> None:
    alive("""
gevent.get_hub().exception_stream = None
try:
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    gevent.sleep(50)
except KeyboardInterrupt:
    check(0.05)
else:
    sys.exit("slept")
""")


def test_keyboard_interrupt_ends_a_running_loop() -> None:
    alive("""
gevent.spawn(gevent.sleep, 50)
gevent.get_hub().exception_stream = None
try:
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    gleenlet.gevent.run(loop.run)
except KeyboardInterrupt:
    check(0.05)
else:
    sys.exit("no interrupt")
""")


# ---- the rest of gevent ----


def test_timeout_kill_asyncresult_threadpool_under_a_running_loop() -> None:
    alive("""
log = []
def worker():
    with gevent.Timeout(0.02, False):
        gevent.sleep(1)
    log.append("timeout")
    victim = gevent.spawn(gevent.sleep, 10)
    gevent.sleep(0.01)
    victim.kill()
    log.append(victim.dead)
    result = gevent.event.AsyncResult()
    gevent.spawn_later(0.01, result.set, "result")
    log.append(result.get())
    log.append(gevent.get_hub().threadpool.apply(sum, ([1, 2],)))
    log.append(list(gevent.get_hub().threadpool.map(lambda n: time.sleep(0.01) or n, range(5))))
    log.append(gevent.socket.gethostbyname("localhost"))
    loop.quit()

gevent.spawn(worker)
loop.run()
assert log == ["timeout", True, "result", 3, [0, 1, 2, 3, 4], "127.0.0.1"], log
check(0.05)
""")


def test_signals_subprocesses_and_child_watchers_under_a_running_loop() -> None:
    alive("""
import gevent.subprocess, gevent.os
log = []
def worker():
    gevent.signal_handler(signal.SIGUSR1, log.append, "SIGUSR1")
    os.kill(os.getpid(), signal.SIGUSR1)
    while not log:
        gevent.sleep(0.01)
    log.append(gevent.subprocess.check_output([sys.executable, "-c", "print(6 * 7)"]).strip())
    child = gevent.subprocess.Popen(["sleep", "0.05"])
    log.append(child.wait())
    pid = gevent.os.fork()
    if not pid:
        os._exit(7)
    log.append(os.waitstatus_to_exitcode(gevent.os.waitpid(pid, 0)[1]))
    loop.quit()

gevent.spawn(worker)
loop.run()
assert log == ["SIGUSR1", b"42", 0, 7], log
""")


def test_a_forked_child_stops_watching_glib_and_gevent_goes_on_in_it() -> None:
    alive("""
import gevent.os
from gleenlet import _libev
ticks = []
def in_child():
    before, polls = len(ticks), _libev.polls()
    gevent.sleep(0.05)
    gevent.spawn(gevent.sleep, 0.01).join()
    a, b = gevent.socket.socketpair()
    b.sendall(b"x")
    os._exit(0 if a.recv(1) == b"x" and len(ticks) == before and _libev.polls() == polls else 1)

def worker():
    pid = gevent.os.fork()
    if not pid:
        in_child()
    return gevent.os.waitpid(pid, 0)[1]

GLib.timeout_add(5, lambda: ticks.append(1) or True)
gevent.sleep(0.02)
assert gevent.spawn(worker).get() == 0    # forked by a greenlet
assert worker() == 0                      # by the main greenlet, the hub suspended
results = []
gevent.spawn_later(0.01, lambda: (results.append(worker()), loop.quit()))
loop.run()                                # by a greenlet, a loop running
assert results == [0]
assert ticks
""")


def test_hubs_of_other_threads_are_plain_and_work() -> None:
    alive("""
results = []
def thread():
    hub = gevent.get_hub()
    results.append(getattr(hub.loop, "attached", False))
    gevent.joinall([gevent.spawn(gevent.sleep, 0.02) for _ in range(10)])
    a, b = gevent.socket.socketpair()
    gevent.spawn(b.sendall, b"hello")
    results.append(a.recv(10))
    hub.destroy(destroy_loop=True)

GLib.timeout_add(200, loop.quit)
gevent.spawn(gevent.sleep, 0.1)
threads = [threading.Thread(target=thread) for _ in range(3)]
[t.start() for t in threads]
loop.run()
[t.join() for t in threads]
assert sorted(map(str, results)) == ["False"] * 3 + ["b'hello'"] * 3, results
""")


def test_a_glib_loop_in_another_thread_leaves_gevent_to_itself() -> None:
    alive("""
ticks = []
thread = threading.Thread(target=loop.run)
thread.start()
while not loop.is_running():
    time.sleep(0.001)
GLib.timeout_add(5, lambda: ticks.append(threading.get_native_id()) or True)
a, b = gevent.socket.socketpair()
gevent.spawn_later(0.02, b.sendall, b"x")
start, cpu = time.monotonic(), time.process_time()
assert a.recv(1) == b"x"
gevent.sleep(0.5)
check(0.52, since=start)
assert time.process_time() - cpu < 0.3    # gevent's descriptors do not wake that loop
loop.quit()
thread.join()
assert len(ticks) > 5 and set(ticks) == {thread.native_id}, ticks
ticks.clear()
while len(ticks) < 4:                     # now it is the main greenlet that drives
    gevent.sleep(0.01)
assert set(ticks) == {threading.get_native_id()}, ticks
""")


def test_the_loop_is_made_anew_in_the_kernel_and_a_file_is_watched() -> None:
    alive("""
import tempfile
ticks = []
GLib.timeout_add(5, lambda: ticks.append(1) or True)
gevent.sleep(0.02)
gevent.reinit()                           # as after a fork
gevent.sleep(0.01)
ticks.clear()
while len(ticks) < 4:
    gevent.sleep(0.01)
with tempfile.NamedTemporaryFile() as file:
    watcher = gevent.get_hub().loop.stat(file.name)
    def start():
        watcher.start(loop.quit)
        GLib.timeout_add(20, lambda: bool(file.write(b"x")) and file.flush())
    GLib.timeout_add(5, start)
    GLib.timeout_add(30_000, lambda: sys.exit("not seen"))
    loop.run()
""")


def test_a_child_forked_in_a_callback_can_wait() -> None:
    alive("""
parent = os.getpid()
GLib.timeout_add(20, lambda: bool(status.append(os.fork())))
status = []
while not status:
    gevent.sleep(0.01)
gevent.spawn(gevent.sleep, 0.01).join()
if os.getpid() != parent:
    os._exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(status[0], 0)[1]) == 5
""")


def test_idle_waits_for_nothing_else_and_a_wait_in_the_loop_of_a_greenlet_is_refused() -> None:
    alive("""
errors = []
def runner():
    gevent.idle()
    inner = GLib.MainLoop()
    def callback():
        try:
            gevent.sleep(0.01)
        except BlockingSwitchOutError as error:
            errors.append(error)
        inner.quit()
    GLib.idle_add(callback)
    inner.run()
    gevent.idle()
    return True

task = gleenlet.spawn(gleenlet.sleep, 0.01)
assert gevent.spawn(runner).get()
task.join()
assert len(errors) == 1
""")


# ---- both worlds ----


def test_a_greenlet_waits_in_gleenlets_api() -> None:
    alive("""
log = []
counter = Counter()
def worker():
    start = time.monotonic()
    gleenlet.sleep(0.05)
    check(0.05, since=start)
    log.append(gleenlet.spawn(lambda: (gleenlet.sleep(0.01), "task")[1]).result())
    with gevent.Timeout(0.02, False):
        gleenlet.sleep(5)
        log.append("not reached")
    from gleenlet._core import Waiter
    waiter = Waiter()
    GLib.timeout_add(5, lambda: waiter.wake("woken") and False)
    log.append(waiter.wait())
    try:
        Waiter(0.01).wait()
    except TimeoutError:
        log.append("TimeoutError")

gevent.spawn(worker).get()
assert log == ["task", "woken", "TimeoutError"], log
victim = gevent.spawn(gleenlet.sleep, 10)
gevent.sleep(0.01)
victim.kill()
assert victim.dead and gleenlet.get_hub()._timers == 0
others = [gevent.spawn(gleenlet.sleep, 0.02) for _ in range(50)]
gevent.joinall(others, raise_error=True)
""")


@pytest.mark.skipif(not hasattr(gleenlet, "call"), reason="not there yet")
def test_a_greenlet_uses_signals_calls_and_queues() -> None:
    alive("""
def worker():
    counter = Counter()
    GLib.timeout_add(10, lambda: counter.emit("open", 5))
    assert gleenlet.wait_signal(counter, "open") == (5,)
    queue = gleenlet.Queue()
    gleenlet.spawn(lambda: (gleenlet.sleep(0.01), queue.put("item")))
    assert queue.get() == "item"
    info = gleenlet.call(Gio.File.new_for_path("/").query_info_async, "*", 0, 0)
    assert info.get_name() == "/"
    return "all"

assert gevent.spawn(worker).get() == "all"
""")


def test_a_task_waits_in_gevents_api() -> None:
    alive("""
log = []
def task():
    start = time.monotonic()
    gevent.sleep(0.05)
    check(0.05, since=start)
    queue = gevent.queue.Queue()
    gevent.spawn_later(0.01, queue.put, "item")
    log.append(queue.get())
    with gevent.Timeout(0.02, False):
        gevent.sleep(5)
        log.append("not reached")
    gleenlet.sleep(0.001)
    log.append(gevent.spawn(lambda: (gevent.sleep(0.01), "greenlet")[1]).get())
    server = gevent.socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    gevent.spawn(lambda: gevent.socket.create_connection(server.getsockname()).sendall(b"data"))
    connection, _ = server.accept()
    log.append(connection.recv(10))
    for _ in range(100):
        gevent.sleep(0)
        gleenlet.sleep(0)
    return log

assert gleenlet.run(task) == ["item", "greenlet", b"data"], log
check(0.05)
tasks = [gleenlet.spawn(task) for _ in range(5)]
while not all(t.done() for t in tasks):   # the other way round: gevent's main greenlet drives
    gevent.sleep(0.01)
""")


def test_a_task_that_waits_in_gevent_is_cancelled() -> None:
    alive("""
def main():
    task = gleenlet.spawn(gevent.sleep, 10)
    gleenlet.sleep(0.01)
    task.cancel()
    try:
        task.result()
    except gleenlet.Cancelled:
        return "cancelled"

assert gleenlet.run(main) == "cancelled"
check(0.01)
gevent.sleep(0.01)
""")


def test_a_task_on_a_socket_has_its_turn_at_once_and_does_not_spin() -> None:
    """gevent's hub resumes a task; the task runs later, and its level-triggered watcher fires until then."""
    alive("""
a, b = gevent.socket.socketpair()
def pong():
    while data := b.recv(1):
        b.sendall(data)

def task():
    start = time.monotonic()
    for _ in range(200):
        a.sendall(b"x")
        a.recv(1)
    return (time.monotonic() - start) / 200

gevent.spawn(pong)
each = gleenlet.run(task)
assert each < 0.02, each
""")


# ---- setting up ----


def test_the_loop_can_be_named_in_the_environment() -> None:
    outcome = run_script(
        "import gevent.core; gevent.sleep(0.01); loop = gevent.get_hub().loop\n"
        "print(loop.attached, gevent.core.loop.__module__)",
        env={"GEVENT_LOOP": "gleenlet.gevent.GLibLoop"},
    )
    assert outcome.stdout == "True gevent.libev.corecext\n", outcome.stderr


def test_install_takes_over_a_hub_that_an_import_has_made() -> None:
    outcome = run_script("""
import gevent, sys
log = []
gevent.get_hub().loop.run_callback(log.append, "queued before")
import gleenlet.gevent
gleenlet.gevent.install()
gevent.sleep(0.01)
assert gevent.get_hub().loop.attached and log == ["queued before"], log
""")
    assert outcome.status == 0, outcome.stderr


def test_install_comes_too_late_once_the_hub_runs() -> None:
    outcome = run_script("import gevent; gevent.sleep(0); import gleenlet.gevent; gleenlet.gevent.install()")
    assert "Call gleenlet.gevent.install() in the main thread before" in outcome.stderr
    assert outcome.status == 1


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("gevent", 'pip install "gleenlet[gevent]"'),
        ("gevent.libev.corecext", 'pip install "gleenlet[gevent]"'),
    ],
)
def test_without_gevent_the_import_says_what_to_install(missing: str, told: str) -> None:
    outcome = run_script(f"import sys; sys.modules[{missing!r}] = None; import gleenlet.gevent")
    assert told in outcome.stderr


def test_a_libev_without_symbols_is_refused_clearly() -> None:
    outcome = run_script(
        "import gleenlet.gevent as g, sys; from gleenlet import _libev\n"
        "import _ctypes; _libev.setup(_ctypes.__file__, g, int, int)"
    )
    assert "ImportError: this gevent was built without libev's symbols" in outcome.stderr


def test_the_hub_is_reached_through_its_table_and_by_name() -> None:
    alive("""
gevent.sleep(0.001)
assert gleenlet.gevent._slot is True
log = []
def worker():
    gevent.get_hub().loop.run_callback(gevent.getcurrent().switch, "by name")
    log.append(gevent.get_hub().switch())

gevent.spawn(worker).join()
assert log == ["by name"]
""")


def test_without_the_table_all_goes_through_the_method() -> None:
    alive("""
gleenlet.gevent._slot = False             # as if the trial call had failed
refused = []
counter = Counter()
def changed(*_):
    try:
        gevent.sleep(0.01)
    except gleenlet.UnsafeSwitchError as error:
        refused.append(error)

counter.connect("notify::value", changed)
gevent.spawn(setattr, counter, "value", 1).join()
gevent.sleep(0.01)
assert len(refused) == 1
""")


def test_another_backend_of_libevs_is_told_and_works_without_glib() -> None:
    outcome = run_script(
        "import gleenlet.gevent; gleenlet.gevent.install(); import gevent; gevent.sleep(0.01); print(1)",
        env={"GEVENT_BACKEND": "select"},
    )
    assert outcome.stdout == "1\n"
    assert "Unset GEVENT_BACKEND" in outcome.stderr

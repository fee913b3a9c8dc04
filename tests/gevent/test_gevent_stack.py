"""gleenlet.gevent: where a greenlet may wait, nested loops, emissions. Plain gevent dies of most of these."""

from __future__ import annotations

import re
import signal

import pytest

from inside_gevent import PLAIN, POLLED, alive, outcome_of

pytest.importorskip("gevent")

HAZARD_EMISSION = """
def worker(k):
    for i in rounds:
        counter = counters[(k * 7 + i) % len(counters)]
        try:
            counter.emit("open", i * k)
            counter.value = i % 1000
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
def opens():
    dialog.emit("open", 3)
    if len(nested) >= len(rounds):
        loop.quit()
    return True

GLib.timeout_add(20, opens)
loop.run()
print("survived", len(nested))
assert min(nested) > 0, nested
"""


@pytest.mark.parametrize("hazard", [HAZARD_EMISSION, HAZARD_NESTED], ids=["emission", "nested"])
def test_the_hazards_kill_plain_gevent(hazard: str) -> None:
    outcome = outcome_of("rounds = range(10**6)\n" + POLLED + hazard, early=PLAIN)
    assert outcome.signal in {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS}, f"{outcome}\n{outcome.stderr}"


def test_a_greenlet_that_waits_in_a_handler_it_triggered_gets_an_error() -> None:
    checks = "assert len(refused) > 1000, len(refused)\nprint(refused[0])"
    output = alive(f"rounds = range(100)\n{HAZARD_EMISSION}{checks}")
    assert "survived; finished: 20" in output
    assert re.search(r"on_open \(.+:\d+\)", output)
    assert "gevent.spawn" in output


def test_greenlets_go_on_in_nested_loops_in_a_handler() -> None:
    assert "survived" in alive("rounds = range(20)\n" + HAZARD_NESTED)


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
until(lambda: len(ticks) > before)
print(len(caught), caught[0].message if caught else "")
""")
    assert output.startswith("paused\n1 gevent is paused")


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
    before = len(received)
    turns = turns_of(lambda context: context.iteration(True))
    paused.append((len(received) - before, turns))

paused = []
counter = Counter()
counter.connect("open", handler)
gevent.spawn(reader)
gevent.sleep(0.01)
gevent.spawn(counter.emit, "open", 1).get()
bare = turns_of(lambda context: context.iteration(True))
assert paused[0][0] == 0 and paused[0][1] < 3 * bare, (paused, bare)
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
log, loops = [], {}
def runner(name):
    inner = loops[name] = GLib.MainLoop()
    inner.run()
    log.append(name)
    gevent.sleep(0.01)
    log.append(name + " went on")

def quits():                              # the first one first, once both run
    until(lambda: len(loops) == 2 and all(inner.is_running() for inner in loops.values()))
    for name in ("first", "second"):
        loops[name].quit()
        gevent.sleep(0.01)

greenlets = [gevent.spawn(runner, "first"), gevent.spawn(runner, "second"), gevent.spawn(quits)]
gevent.joinall(greenlets, raise_error=True)
assert log.index("second") < log.index("first"), log
assert len(log) == 4
gevent.sleep(0.01)
""")


def test_a_greenlets_switch_as_a_callback_is_wrapped() -> None:
    """switch() returns () when somebody switches back without arguments; bare it is the first of the hazards."""
    alive("""
from greenlet import getcurrent, greenlet
main = getcurrent()
GLib.idle_add(gleenlet.callback(greenlet(lambda: main.switch()).switch))
GLib.timeout_add(100, loop.quit)
gevent.spawn(gevent.sleep, 0.01)
loop.run()
""")


def test_a_polled_gevent_burns_a_core() -> None:
    """The opposite of test_an_idle_program_hardly_polls."""
    alive(
        """
GLib.idle_add(lambda: gevent.sleep(0) or True)
turns = turns_of(lambda context: context.iteration(True))
assert turns > 3 * 10, turns
""",
        early=PLAIN,
    )


@pytest.mark.parametrize("end", ["", "gevent.sleep(0.01)"], ids=["ends", "waits"])
def test_a_greenlet_that_a_callback_resumes_by_hand_does_not_keep_the_loop(end: str) -> None:
    """Its end resumes the hub, its parent, in the middle of GLib's dispatch."""
    alive(f"""
log = []
def worker():
    gevent.getcurrent().parent.switch()
    log.append("resumed")
    try:
        {end or "pass"}
    except BlockingSwitchOutError:
        log.append("refused")

resumed = gevent.spawn(worker)
GLib.timeout_add(30, resumed.switch)
GLib.timeout_add(60, loop.quit)
loop.run()
assert log == ["resumed"] + ["refused"] * bool({end!r}), log
gevent.sleep(0.01)
gevent.spawn(gevent.sleep, 0.01).get()
""")


BUSY = """
def compute():
    while True:
        end = time.perf_counter() + 0.0005
        while time.perf_counter() < end:
            pass
        gevent.sleep(0)

for _ in range(5):
    gevent.spawn(compute)
gevent.sleep(0.01)
"""


def test_emissions_and_nested_loops_while_greenlets_use_up_every_slice() -> None:
    """The hub is then left in the middle of a callback, not in its wait: the probe counts one more."""
    alive(
        BUSY
        + """
refused, went_on = [], []
def on_change(*_):
    try:
        gevent.sleep(0)
    except gleenlet.UnsafeSwitchError as error:
        refused.append(error)

counter = Counter()
counter.connect("notify::value", on_change)

def worker():
    for value in range(50):
        counter.value = value + 1
        gevent.sleep(0)

def runner(name):
    inner = GLib.MainLoop()
    gevent.spawn_later(0.03, inner.quit)
    inner.run()
    for _ in range(5):
        gevent.sleep(0)
    went_on.append(name)

workers = [gevent.spawn(worker) for _ in range(3)]
runners = [gevent.spawn(runner, name) for name in range(3)]
job = gevent.spawn(lambda: (gevent.joinall(workers + runners, raise_error=True), loop.quit()))
loop.run()
assert len(refused) == 150 and sorted(went_on) == [0, 1, 2], (len(refused), went_on)
gevent.joinall([gevent.spawn(runner, name) for name in range(2)], raise_error=True)
"""
    )


def test_fork_and_destroy_in_a_callback_while_greenlets_use_up_every_slice() -> None:
    alive(
        BUSY
        + """
def in_callback():
    pid = os.fork()
    if not pid:
        gevent.get_hub().destroy()
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    gevent.get_hub().destroy()
    gevent.spawn_later(0.02, loop.quit)

GLib.timeout_add(30, in_callback)
loop.run()
gevent.sleep(0.01)
"""
    )

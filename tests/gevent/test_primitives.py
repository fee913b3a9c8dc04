"""All primitives between tasks, raw greenlets and gevent's greenlets, also when one is stopped while it waits.

Each program runs in a child: gevent has one hub in a process.
"""

from __future__ import annotations

import pytest

from child import run_script

pytest.importorskip("gevent")

PRELUDE = """
import faulthandler, re
faulthandler.enable()
import gleenlet.gevent
gleenlet.gevent.install()
import gevent, gleenlet
from gleenlet import *
from greenlet import GreenletExit, greenlet

MUTEXES = [Lock, RLock, Condition, Semaphore, BoundedSemaphore]
QUEUES = [Queue, LifoQueue, PriorityQueue]
KINDS = ["task", "raw", "gevent", "task", "gevent", "raw", "raw", "task", "task"]  # each after and before each other

def start(kind, func, *args):
    if kind == "task":
        return spawn(func, *args)
    if kind == "gevent":
        return gevent.spawn(func, *args)
    raw = greenlet(func)
    schedule_switch(raw, *args)
    return raw

def ended(who):
    return who.done() if isinstance(who, Task) else who.dead

def stop(who):
    if isinstance(who, Task):
        who.cancel()
    elif isinstance(who, gevent.Greenlet):
        who.kill(block=False)
    else:
        schedule_throw(who, GreenletExit)

def until(condition):
    while not condition():
        sleep(0)

def waiting(primitive):
    shown = repr(primitive)
    if isinstance(primitive, Barrier):
        return primitive.n_waiting
    if isinstance(primitive, Queue):
        return sum(map(int, re.findall(r"_(?:getters|putters).([0-9]+)", shown)))
    return int(shown.partition("waiters:")[2].rstrip("]>") or 0)

def start_all(wait, primitive, kinds=KINDS):
    crowd = []
    for number, kind in enumerate(kinds):
        crowd.append(start(kind, wait, number))
        until(lambda: waiting(primitive) == number + 1)
    return crowd

def line_of(mutex):
    return mutex._lock if isinstance(mutex, Condition) else mutex

def join_all(crowd):
    until(lambda: all(map(ended, crowd)))
"""


def run_program(program: str) -> None:
    outcome = run_script(PRELUDE + program + "\ngleenlet.shutdown()\n")
    assert (outcome.status, outcome.stderr) == (0, ""), f"{outcome}\n{outcome.stdout}\n{outcome.stderr}"


@pytest.mark.parametrize("driver", ["gleenlet.run(main)", "gevent.spawn(main).get()", "main()"])
def test_all_kinds_wait_in_one_line(driver: str) -> None:
    """Driven by a task, by a greenlet of gevent's and by the top level."""
    run_program(f"""
def mutex(make):
    primitive, log, inside = make(), [], []

    def user(number):
        with primitive:
            inside.append(number)
            log.append(number)
            sleep(0)
            assert inside == [number]
            inside.clear()

    with primitive:
        crowd = start_all(user, line_of(primitive))
    join_all(crowd)
    assert log == list(range(len(KINDS))), (make, log)
    assert waiting(line_of(primitive)) == 0
    with primitive:
        pass

def event():
    primitive, log = Event(), []
    crowd = start_all(lambda number: log.append(primitive.wait() and number), primitive)
    primitive.set()
    join_all(crowd)
    assert sorted(log) == list(range(len(KINDS))), log

def notifications():
    condition, log = Condition(), []

    def waits(number):
        with condition:
            condition.wait()
            log.append(number)

    crowd = []
    for number, kind in enumerate(KINDS):
        crowd.append(start(kind, waits, number))
        until(lambda: waiting(condition) == number + 1 and not condition.locked())
    for number in range(len(KINDS)):
        with condition:
            condition.notify()
        until(lambda: len(log) == number + 1)
    join_all(crowd)
    assert log == list(range(len(KINDS))), log

def barrier():
    primitive, log = Barrier(len(KINDS) + 1), []
    crowd = start_all(lambda number: log.append((number, primitive.wait())), primitive)
    assert primitive.wait() == len(KINDS)
    join_all(crowd)
    assert sorted(log) == [(number, number) for number in range(len(KINDS))], log

def getters(make):
    queue, log = make(), []
    crowd = start_all(lambda number: log.append((number, queue.get())), queue)
    for number in range(len(KINDS)):
        queue.put(number)
        until(lambda: len(log) == number + 1)
    join_all(crowd)
    assert log == [(number, number) for number in range(len(KINDS))], (make, log)

def putters(make):
    queue = make(1)
    queue.put(-1)
    crowd = start_all(queue.put, queue)
    got = []
    for number in range(-1, len(KINDS)):
        got.append(queue.get())
        until(queue.full if number < len(KINDS) - 1 else queue.empty)
    join_all(crowd)
    assert got == list(range(-1, len(KINDS))), (make, got)

def joiners(make):
    queue = make()
    queue.put(1)
    begun = []

    def joins(number):
        begun.append(number)
        queue.join()

    crowd = [start(kind, joins, 0) for kind in KINDS]
    until(lambda: len(begun) == len(KINDS))
    queue.get()
    queue.task_done()
    join_all(crowd)

def main():
    for make in MUTEXES:
        mutex(make)
    event()
    notifications()
    barrier()
    for make in QUEUES:
        getters(make)
        putters(make)
        joiners(make)

{driver}
""")


@pytest.mark.parametrize("victim", ["task", "raw", "gevent"])
def test_who_is_stopped_while_it_waits_passes_on_what_was_its(victim: str) -> None:
    """Stopped before it is woken, just before and just after: the next one gets it, and nothing is left behind."""
    run_program(f"""
def races(wake, stop_victim):
    return [
        lambda: (stop_victim(), until_stopped(), wake()),
        lambda: (stop_victim(), wake()),
        lambda: (wake(), stop_victim()),
    ]

def until_stopped():
    until(lambda: ended(crowd[0]))

def each(primitive, wait, prepare, wake, check):
    global crowd
    for number in range(3):
        for other in ("task", "raw", "gevent"):
            log = []
            prepare()
            crowd = start_all(lambda number: (wait(), log.append(number)), primitive, [{victim!r}, other])
            races(wake, lambda: stop(crowd[0]))[number]()
            check(log)
            for who in crowd:
                if not ended(who):
                    stop(who)
            join_all(crowd)
            assert waiting(primitive) == 0, primitive

def next_has_it(log):
    # Woken first, the victim may have gone through before it was stopped: then there is nothing to pass on.
    until(lambda: log)
    sleep(0)
    assert log in ([1], [0], [0, 1]), log

def mutex(make):
    lock = make()

    def user():
        with lock:
            pass

    def both_or_one(log):
        until(lambda: 1 in log)
        assert not lock.locked(), lock

    each(line_of(lock), user, lock.acquire, lock.release, both_or_one)
    with lock:
        pass

def event():
    primitive = Event()
    each(primitive, primitive.wait, primitive.clear, primitive.set, lambda log: until(lambda: 1 in log))

def notifications():
    condition = Condition()

    def waits():
        with condition:
            condition.wait()

    def notify():
        condition.acquire()
        condition.notify()
        condition.release()

    def check(log):
        next_has_it(log)
        until(lambda: not condition.locked())

    each(condition, waits, lambda: None, notify, check)

def barrier():
    primitive = Barrier(2)
    for late in (False, True):
        one = start({victim!r}, primitive.wait)
        until(lambda: primitive.n_waiting == 1)
        if late:  # stopped in the iteration in which the other comes
            other = start("task", primitive.wait)
            stop(one)
        else:
            stop(one)
            join_all([one])
            assert primitive.n_waiting == 0
            other = start("task", primitive.wait)
        until(lambda: ended(other) or ended(one) and primitive.n_waiting == 1)
        if not ended(other):
            primitive.wait()
        join_all([one, other])
        assert primitive.n_waiting == 0 and not primitive._leaving, primitive

def getters(make):
    queue = make()

    def empty():
        while not queue.empty():
            queue.get_nowait()

    each(queue, queue.get, empty, lambda: queue.put(1), next_has_it)
    empty()
    queue.put(2)
    assert queue.get() == 2

def putters(make):
    queue = make(1)

    def fill():
        while not queue.empty():
            queue.get_nowait()
            sleep(0)
        queue.put(0)

    each(queue, lambda: queue.put(1), fill, queue.get, next_has_it)

def main():
    for make in MUTEXES:
        if make is not RLock:  # its owner alone may release it
            mutex(make)
    event()
    notifications()
    barrier()
    for make in QUEUES:
        getters(make)
        putters(make)

run(main)
""")


def test_a_gevent_timeout_in_a_task_that_waits_in_line_is_no_wake_up() -> None:
    run_program("""
def times_out(wait):
    try:
        with gevent.Timeout(0.001):
            wait()
    except gevent.Timeout:
        return True

def mutex(make):
    lock, log = make(), []

    def last():
        with lock:
            log.append("last")

    with lock:
        impatient = start("task", times_out, lock.acquire)
        patient = start("task", last)
        assert impatient.result()
        until(lambda: waiting(line_of(lock)) == 1)
        assert lock.locked() and not log, make
    patient.join()

def queues(make):
    queue = make(1)
    assert spawn(times_out, queue.get).result()
    queue.put(1)
    assert spawn(times_out, lambda: queue.put(2)).result()
    assert spawn(times_out, queue.join).result()
    assert queue.full() and queue.get() == 1 and queue.empty()

def main():
    for make in MUTEXES:
        mutex(make)
    for make in QUEUES:
        queues(make)
    assert spawn(times_out, Event().wait).result()
    condition = Condition()
    condition.acquire()
    condition.release()

    def waits():
        with condition:
            condition.wait()

    assert spawn(times_out, waits).result()
    assert not condition.locked() and not waiting(condition)
    barrier = Barrier(2)
    assert spawn(times_out, barrier.wait).result()
    assert barrier.n_waiting == 0 and not barrier._leaving

    # to_thread goes at once, it does not wait for its thread; join() tells its own end of time from another's.
    import threading
    go_on = threading.Event()
    assert spawn(times_out, lambda: to_thread(go_on.wait)).result()
    go_on.set()

    def joins():
        try:
            with gevent.Timeout(0.001, TimeoutError("of gevent")):
                spawn(sleep, 5).join(5)
        except TimeoutError as error:
            return str(error)

    assert spawn(joins).result() == "of gevent"

run(main)
""")


def test_a_switch_by_hand_from_the_guest_ends_no_wait() -> None:
    """It raises, as without gevent: otherwise two would have the lock."""
    run_program("""
def main():
    lock = Lock()

    def waits():
        try:
            lock.acquire()
        except GleenletError as error:
            return str(error)

    with lock:
        task = spawn(waits)
        until(lambda: waiting(lock) == 1)
        gevent.get_hub().loop.run_callback(task.greenlet.switch, "by hand")
        assert "by hand" in task.result()
        assert lock.locked() and not waiting(lock)

run(main)
""")

"""A virtual clock: it jumps when everything waits, stands while anything real is under way, and tells of deadlocks."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from gi.repository import Gio, GLib

from gleenlet import (
    Event,
    GleenletError,
    Lock,
    TaskGroup,
    call,
    from_thread,
    get_hub,
    run,
    sleep,
    spawn,
    timeout,
    to_thread,
    wait_child,
    wait_readable,
    wait_signal,
)
from gleenlet.asyncio import await_
from gleenlet.testing import Clock, Deadlock, virtual_time
from gleenlet.testing._sources import layout

HOUR = 3600.0


@pytest.fixture
def clock() -> Iterator[Clock]:
    with virtual_time() as clock:
        yield clock


def test_an_hours_sleep_takes_no_time(clock: Clock) -> None:
    before = time.perf_counter()
    run(sleep, HOUR)
    assert clock.elapsed == HOUR
    assert time.perf_counter() - before < HOUR / 2


def test_the_clock_stands_while_anything_runs(clock: Clock) -> None:
    def main() -> None:
        before = time.perf_counter()
        while time.perf_counter() - before < 0.01:
            sleep(0)

    run(main)
    assert clock.elapsed == 0


def test_what_begins_at_one_moment_ends_at_one_moment_in_order(clock: Clock) -> None:
    log: list[tuple[str, float]] = []

    def main() -> None:
        def wait(name: str, *spans: float) -> None:
            for span in spans:
                sleep(span)
            log.append((name, clock.elapsed))

        with TaskGroup() as group:
            for name, spans in {"b": (0.3,), "a": (0.1, 0.2), "c": (0.3,), "d": (0.25,)}.items():
                group.spawn(wait, name, *spans)

    run(main)
    assert log == [("d", 0.25), ("b", 0.3), ("c", 0.3), ("a", 0.3)]


def test_time_limits_follow_it(clock: Clock) -> None:
    def main() -> None:
        with pytest.raises(TimeoutError), timeout(60):
            Event().wait()

    run(main)
    assert clock.elapsed == 60


def test_glibs_own_timeouts_follow_it(clock: Clock) -> None:
    log: list[tuple[str, float]] = []

    def again() -> bool:
        log.append(("timeout", clock.elapsed))
        return clock.elapsed < 4

    def main() -> None:
        GLib.timeout_add(1500, again)
        GLib.timeout_add_seconds(4, lambda: log.append(("seconds", clock.elapsed)))
        sleep(3)
        log.append(("sleep", clock.elapsed))
        sleep(HOUR)

    run(main)
    assert log[0] == ("timeout", 1.5)
    assert {*log[1:3]} == {("timeout", 3.0), ("sleep", 3.0)}
    assert log[3:] == [("seconds", 4.0), ("timeout", 4.5)]
    assert clock.elapsed == 3 + HOUR


def test_a_timeout_of_before_the_block_goes_on_after_it() -> None:
    log: list[str] = []
    in_time = False
    while not in_time:  # once, unless the machine stands still before the block
        log.clear()
        begun = time.perf_counter()
        GLib.timeout_add(50, lambda: log.append("fired"))
        with virtual_time():
            in_time = time.perf_counter() - begun < 0.05
            run(sleep, 0.001)
            assert log == [] or not in_time
        while not log:
            GLib.MainContext.default().iteration(True)
        assert log == ["fired"]


def test_a_source_with_a_ready_time_of_its_own_follows_it(clock: Clock) -> None:
    log: list[float] = []

    class Alarm(GLib.Source):
        def prepare(self) -> tuple[bool, int]:
            return False, -1

        def check(self) -> bool:
            return False

        def dispatch(self, _callback: object, _args: object) -> bool:
            log.append(clock.elapsed)
            return False

    alarm, at_once = Alarm(), Alarm()
    alarm.set_ready_time(GLib.get_monotonic_time() + 50_000_000)
    at_once.set_ready_time(0)
    alarm.attach(None)
    at_once.attach(None)
    run(sleep, HOUR)
    assert log[0] == 0
    assert log[1] == pytest.approx(50, abs=40)


def test_timeouts_follow_it_where_their_fields_are_unknown(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gleenlet.testing._sources.LAYOUTS", ())
    layout.cache_clear()
    log: list[float] = []
    GLib.timeout_add_seconds(500, lambda: log.append(clock.elapsed))
    run(sleep, HOUR)
    layout.cache_clear()
    assert log == [pytest.approx(500, abs=400)]


def test_time_monotonic_and_time_sleep_follow_it(clock: Clock) -> None:
    def main() -> None:
        before = time.monotonic()
        other = spawn(sleep, 5)
        time.sleep(10)
        assert not other.done()  # as the real one, it stops all tasks
        sleep(20)
        assert other.done()
        assert time.monotonic() - before == 30

    run(main)
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)
    real = run(to_thread, time.monotonic)
    assert real != clock.time()


def test_the_functions_of_time_are_real_again_afterwards() -> None:
    before = time.monotonic, time.sleep
    with virtual_time():
        assert (time.monotonic, time.sleep) != before
        other: list[float] = []
        thread = threading.Thread(target=lambda: time.sleep(0.001) or other.append(time.monotonic()))
        thread.start()
        thread.join()
        assert other[0] != time.monotonic()
    assert (time.monotonic, time.sleep) == before


def test_asyncio_in_a_task_follows_it(clock: Clock, no_background_loop: None) -> None:
    async def main() -> str:
        try:
            await asyncio.wait_for(asyncio.sleep(HOUR), 60)
        except TimeoutError:
            return "late"
        return "in time"

    assert run(await_, main()) == "late"
    assert clock.elapsed == 60


def test_asyncios_threads_and_connections_hold_it(clock: Clock, no_background_loop: None) -> None:
    async def in_thread() -> int:
        async with asyncio.timeout(1):
            return await asyncio.to_thread(lambda: time.sleep(0.01) or 7)

    async def connected() -> bytes:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        async with server, asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()
            return await reader.read()

    assert run(await_, in_thread()) == 7
    assert run(await_, connected()) == b""
    assert clock.elapsed == 0


def held_by(what: str) -> Callable[[], Any]:
    def readable() -> None:
        reader, writer = os.pipe()
        threading.Thread(target=lambda: (time.sleep(0.01), os.write(writer, b"x")), daemon=True).start()
        wait_readable(reader)

    def gio() -> None:
        call(Gio.File.new_for_path(__file__).load_contents_async)

    def child() -> None:
        assert wait_child(os.posix_spawn("/bin/sh", ["sh", "-c", "exit 3"], os.environ)) == 3

    def pool() -> None:
        event, hub = Event(), get_hub()
        with ThreadPoolExecutor(1) as pool:
            for _ in range(2):
                pool.submit(time.sleep, 0.01).add_done_callback(lambda _: hub.call_soon_threadsafe(event.set))
            event.wait()

    def thread() -> None:
        event, hub = Event(), get_hub()
        threading.Thread(target=lambda: (time.sleep(0.01), hub.call_soon_threadsafe(event.set))).start()
        event.wait()

    return {
        "a descriptor": readable,
        "to_thread": lambda: to_thread(time.sleep, 0.01),
        "from_thread": lambda: to_thread(from_thread, lambda: None),
        "a Gio operation": gio,
        "a child": child,
        "a thread pool": pool,
        "a thread": thread,
    }[what]


@pytest.mark.parametrize(
    "what", ["a descriptor", "to_thread", "from_thread", "a Gio operation", "a child", "a thread pool", "a thread"]
)
def test_the_clock_stands_while_what_is_real_goes_on(what: str, clock: Clock) -> None:
    def main() -> None:
        sleeper = spawn(sleep, 0.000_001)
        held_by(what)()
        assert sleeper.join(HOUR)

    run(main)
    assert clock.elapsed == 0.000_001


def test_something_that_it_cannot_see_holds_it_by_hand(clock: Clock) -> None:
    def main() -> None:
        event, hub = Event(), get_hub()
        with clock.hold("a thread of my own"), timeout(1):
            threading.Thread(
                target=lambda: (time.sleep(0.01), hub.call_soon_threadsafe(event.set)), daemon=True
            ).start()
            event.wait()

    run(main)
    assert clock.elapsed == 0


def test_it_is_moved_by_hand(clock: Clock) -> None:
    log: list[str] = []
    GLib.timeout_add(30_000, lambda: log.append("timeout"))

    def main() -> None:
        task = spawn(lambda: sleep(60) or log.append("task"))
        sleep(0)
        clock.advance(60)
        assert log == []
        task.join()
        while len(log) < 2:
            sleep(0)

    run(main)
    assert sorted(log) == ["task", "timeout"]
    with pytest.raises(ValueError, match="0 or more seconds"):
        clock.advance(-1)


def test_a_deadlock_is_raised_with_the_tasks() -> None:
    def main() -> None:
        first, second = Lock(), Lock()

        def both(one: Lock, other: Lock) -> None:
            with one:
                sleep(1)
                with other:
                    pass

        with TaskGroup() as group:
            group.spawn(both, first, second, name="forth")
            group.spawn(both, second, first, name="back")

    with virtual_time(patience=0.01), pytest.raises(Deadlock) as caught:
        run(main)
    text = str(caught.value)
    assert text.startswith("deadlock: ")
    assert "└─ 'back' waiting for Lock.acquire, held by task 'forth'" in text
    assert "cycle 1: 'forth' waits for 'back' waits for 'forth'" in text
    assert "both (" in text


def test_a_timeout_of_glibs_that_goes_off_again_and_again_hides_no_deadlock() -> None:
    ticks: list[int] = []

    def tick() -> bool:
        ticks.append(1)
        return True

    timer = GLib.timeout_add(1000, tick)
    GLib.Source.set_name_by_id(timer, "ticker")
    try:
        with virtual_time(patience=0.01), pytest.raises(Deadlock, match=r"no task runs.*ticker"):
            run(Event().wait)
    finally:
        GLib.source_remove(timer)
    assert len(ticks) > 1000


def test_one_that_ends_what_a_task_waits_for_after_long_is_waited_for() -> None:
    event = Event()
    ticks: list[int] = []

    def tick() -> bool:
        ticks.append(1)
        if len(ticks) == 500:
            event.set()
        return len(ticks) < 500

    GLib.timeout_add(1000, tick)
    with virtual_time(patience=0.01) as clock:
        run(event.wait)
        assert clock.elapsed == pytest.approx(500)


def test_a_deadlock_is_raised_in_the_task_whose_block_it_is() -> None:
    def main() -> str:
        with pytest.raises(Deadlock, match=r"Event\.wait"), virtual_time(patience=0.01):
            Event().wait()
        return "went on"

    assert run(main) == "went on"


def test_a_deadlock_under_a_loop_of_glibs_ends_every_task() -> None:
    loop = GLib.MainLoop()
    store = Gio.ListStore.new(Gio.SimpleAction)

    def main() -> None:
        try:
            wait_signal(store, "items-changed")
        finally:
            loop.quit()

    with virtual_time(patience=0.01) as clock:
        task = spawn(main)
        loop.run()
        assert isinstance(task.exception(), Deadlock)
        assert task.exception() is clock.failure


def test_a_hang_says_what_it_waits_for() -> None:
    reader, _writer = os.pipe()

    def main() -> None:
        wait_readable(reader)

    with virtual_time(limit=0.02) as clock, pytest.raises(Deadlock, match=f"descriptor {reader} readable"):
        run(main)
    with virtual_time(limit=0.02) as clock, pytest.raises(Deadlock, match="the moon"):
        with clock.hold("the moon"):
            run(Event().wait)


def test_there_is_one_clock_a_thread(clock: Clock) -> None:
    with pytest.raises(GleenletError, match="in use"), virtual_time():
        pass

    def thread() -> float:
        with virtual_time() as own:
            run(sleep, HOUR)
        return own.elapsed

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(thread).result() == HOUR
    assert clock.elapsed == 0


def test_a_loop_without_tasks_may_wait(clock: Clock) -> None:
    loop = GLib.MainLoop()
    thread = threading.Thread(target=lambda: time.sleep(0.05) or loop.quit())
    GLib.idle_add(thread.start)  # the loop runs when it quits
    loop.run()
    thread.join()
    assert clock.failure is None

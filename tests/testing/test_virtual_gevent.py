"""gevent on a virtual clock: its timers jump with it, its sockets and threads hold it."""

from __future__ import annotations

import pytest

from child import in_child

pytest.importorskip("gevent.libev.corecext")


@in_child()
def test_timers_of_gevent_follow_the_clock() -> None:
    import gevent
    from gevent.event import Event

    import gleenlet.gevent
    from gleenlet import run, sleep
    from gleenlet.testing import virtual_time

    gleenlet.gevent.install()
    real = gleenlet.gevent.GLibLoop.timer
    with virtual_time() as clock:
        gevent.sleep(3600)
        assert clock.elapsed == 3600

        log: list[tuple[str, float]] = []

        def work(name: str, seconds: float) -> None:
            gevent.sleep(seconds)
            log.append((name, clock.elapsed - 3600))

        gevent.joinall([gevent.spawn(work, "c", 3), gevent.spawn(work, "a", 1), gevent.spawn_later(1, work, "b", 1)])
        assert log == [("a", 1), ("b", 2), ("c", 3)]

        before = clock.elapsed
        with pytest.raises(gevent.Timeout), gevent.Timeout(60):
            Event().wait()
        assert clock.elapsed == before + 60

        ticks: list[float] = []
        ticker = gevent.get_hub().loop.timer(1, 2)
        ticker.start(lambda: ticks.append(clock.elapsed - before))
        assert ticker.active
        gevent.sleep(6)
        ticker.close()
        assert ticks == [61, 63, 65]

        def both() -> None:  # a task of ours and a greenlet of gevent's, one clock
            greenlet = gevent.spawn(work, "greenlet", 7)
            sleep(5)
            log.append(("task", clock.elapsed))
            greenlet.join()

        del log[:]
        run(both)
        assert [name for name, _ in log] == ["task", "greenlet"]
    assert gleenlet.gevent.GLibLoop.timer is real
    gevent.sleep(0.001)


@in_child()
def test_what_is_real_in_gevent_holds_the_clock_and_what_waits_for_ever_ends() -> None:
    import os

    import gevent
    from gevent.event import Event
    from gevent.exceptions import LoopExit
    from gevent.socket import socketpair

    import gleenlet.gevent
    from gleenlet.testing import virtual_time

    gleenlet.gevent.install()
    with virtual_time(patience=0.01, limit=0.05) as clock:
        with gevent.Timeout(1):
            assert gevent.get_hub().threadpool.apply(os.getpid) == os.getpid()
        assert clock.elapsed == 0
        with pytest.raises(LoopExit):
            Event().wait()
        ours, theirs = socketpair()
        gevent.spawn(theirs.send, b"x")
        with gevent.Timeout(1):
            assert ours.recv(1) == b"x"
        with pytest.raises(LoopExit, match="io"):
            ours.recv(1)  # nobody sends: the real limit is over
        assert clock.elapsed == 0

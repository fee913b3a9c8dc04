"""Run a test under many schedules: each choice of which task is next is drawn from a tape."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

from gi.repository import GLib

from gleenlet import GleenletError, Task, current_task, get_hub, sleep, spawn
from gleenlet._core import get_ident, signals_wake
from gleenlet.testing._faults import Unusual
from gleenlet.testing._holds import is_reply
from gleenlet.testing._story import Story
from gleenlet.testing._tape import (
    Pct,
    Play,
    Recorder,
    Strategy,
    Uniform,
    delay_bounded,
    from_token,
    recording,
    shrink,
    to_token,
)
from gleenlet.testing._undo import WAITS, observed
from gleenlet.testing._virtual import START, Clock, virtual_time

__all__ = ["Explorer", "explore"]

P = ParamSpec("P")

PCT_DEPTH = 3
NESTED_TURNS = 10  # of a nested loop


class Explorer:
    """One function under many schedules, on one virtual clock."""

    def __init__(
        self, func: Callable[[], object], cancellations: int = 0, nested_loops: int = 0, late_replies: int = 0
    ) -> None:
        self.func = func
        self.cancellations, self.nested_loops, self.late_replies = cancellations, nested_loops, late_replies
        self.hub = get_hub()
        self.before: set[Task[Any]] = set()
        self.unasked: list[BaseException] = []
        self.runs = 0
        self.longest = 10  # choices of a run so far
        self.draws = 0  # of these, at most so many were made by draw()
        self.failure: BaseException | None = None
        self.clock: Clock | None = None

    @contextlib.contextmanager
    def exploring(self) -> Iterator[None]:
        """The block in which it runs: a clock that jumps, no failure printed, and asyncio's order drawn as well."""
        hub = self.hub
        with virtual_time(patience=0) as self.clock, signals_wake(hub), asyncio_drawn():
            self.before = set(hub.tasks())
            on_error = hub.on_error(lambda _task, error: self.unasked.append(error))
            try:
                yield
            finally:
                hub.on_error(on_error)

    def once(self, strategy: Strategy, story: Story | None = None) -> Recorder:
        """One run; how it failed is in `failure`."""
        hub, recorder, thread = self.hub, Recorder(strategy), get_ident()
        assert self.clock is not None
        self.clock.restart()
        self.failure = None
        self.unasked.clear()
        self.runs += 1
        if story is not None:
            recorder.tell = story.tell
            hub.observe(story)
        hub.set_chooser(recorder)
        recording[thread] = recorder
        try:
            self.run_test()
        except Exception as error:
            self.failure = error
        finally:
            hub.set_chooser(None)
            del recording[thread]
            if story is not None:
                hub.unobserve(story)
            if len(hub.tasks()) > len(self.before):
                self.end([task for task in hub.tasks() if task not in self.before])
        if self.failure is None and self.unasked:
            self.failure = self.unasked[0]
        if len(recorder.choices) > self.longest:
            self.longest = len(recorder.choices)
        if len(recorder.drawn) > self.draws:
            self.draws = len(recorder.drawn)
        return recorder

    def run_test(self) -> None:
        """Nothing of it is held afterwards: a task that has failed unasked is told of when it goes."""
        test = spawn(self.func, name="test")
        if not (self.cancellations or self.nested_loops or self.late_replies):
            test.result()  # a run is short, and the undoing of nothing would show
            return
        with contextlib.ExitStack() as undo:
            for unusual in self.unusual(test):
                if unusual.left:
                    undo.enter_context(observed(self.hub, unusual))
            test.result()

    def unusual(self, test: Task[object]) -> Iterator[Unusual]:
        """At each wait of a run: is the reply late, does a loop begin inside the loop, is the task cancelled?"""
        clock = self.clock
        assert clock is not None
        yield Unusual(
            self.late_replies,
            lambda _: "the reply is late",
            # GLib comes to this when nothing is ready in the hub, and before any reply: those are less urgent.
            lambda _: at_once(clock.jump),
            lambda event, waiter: event == WAITS and is_reply(waiter),
        )
        yield Unusual(
            self.nested_loops,
            lambda _: "a loop begins inside the loop",
            lambda _: at_once(nested_loop),
            lambda event, _: event == WAITS,
        )
        yield Unusual(
            self.cancellations,
            lambda waiter: f"cancels {waiter.job.name!r}",
            lambda waiter: self.hub.call_soon(waiter.job.cancel),
            lambda _, waiter: waiter.job is not test and waiter.job not in self.before,
        )

    def end(self, left: list[Task[Any]]) -> None:
        """Cancel what the run has left; what does not end then is left to itself."""
        for task in left:
            task.cancel()
        for _ in range(100):
            if all(task.done() for task in left):
                return
            sleep(0)

    def by_chance(self, runs: int, seed: int) -> Recorder | None:
        """The first run that fails, of so many: in turn all are equally likely, or by priorities."""
        for number in range(runs):
            source = random.Random(seed * 1_000_003 + number)
            strategy = Pct(source, self.draws, self.longest, PCT_DEPTH) if number % 2 else Uniform(source, self.draws)
            recorder = self.once(strategy)
            if self.failure is not None:
                return recorder
        return None

    def systematically(self, runs: int, delays: int) -> Recorder | None:
        """The first run that fails, of all with at most so many delays."""
        for recorder in delay_bounded(delays, lambda tape: self.once(Play(tape))):
            if self.failure is not None or self.runs >= runs:
                return recorder if self.failure is not None else None
        return None

    def explain(self, recorder: Recorder, how: str) -> BaseException:
        """The failure of the simplest tape that fails in the same way, with a note that says how it came."""
        assert self.failure is not None
        kind, found = type(self.failure), self.runs

        def fails(tape: list[int], story: Story | None = None) -> bool:
            self.once(Play(tape), story)
            return type(self.failure) is kind

        first, tape = self.failure, shrink(recorder.choices, fails)
        story = Story(self.hub, START)
        again = fails(tape, story)
        failure = self.failure if again and self.failure is not None else first
        failure.add_note(f"found in run {found} ({how}). The schedule, in its simplest form:\n{story.table()}")
        token = to_token(tape)
        failure.add_note(
            f"The same again: pytest --gleenlet-replay {token}, or GLEENLET_REPLAY={token} in the environment."
            + ("" if again else " It did not fail again: not all that it depends on is in the schedule.")
        )
        return failure


def at_once(func: Callable[[], None]) -> None:
    """Have GLib call it before anything else that is ready."""
    source = GLib.Idle()
    source.set_priority(GLib.PRIORITY_HIGH)
    source.set_callback(lambda *_: func() and False)
    source.attach(GLib.MainContext.ref_thread_default())


def nested_loop() -> None:
    """As a modal dialog does: turns of the loop, in a callback of the loop."""
    context = GLib.MainContext.ref_thread_default()
    for _ in range(NESTED_TURNS):
        context.iteration(False)


def asyncio_drawn() -> contextlib.AbstractContextManager[None]:
    """Draw the order of asyncio's callbacks that are ready at the beginning of an iteration, as that of tasks."""
    if "asyncio" not in sys.modules:
        return contextlib.nullcontext()
    from gleenlet.asyncio import in_order_of

    return in_order_of(lambda ready: recorder(ready) if (recorder := recording.get(get_ident())) is not None else 0)


def explore(
    runs: int = 1000,
    *,
    exhaustive: bool = False,
    preemptions: int = 2,
    seed: int = 0,
    cancellations: int = 0,
    nested_loops: int = 0,
    late_replies: int = 0,
) -> Callable[[Callable[P, object]], Callable[P, None]]:
    """Decorate a test to have it run under many schedules, each under virtual time, in a task of its own.

    Args:
        runs: how many at most. Half of them choose at random, half by random priorities (PCT).
        exhaustive: every schedule in which at most `preemptions` tasks, all in all, are passed over, or other unusual
            things happen.
        preemptions: see there.
        seed: of the random choices: the same runs again.
        cancellations: so many tasks of a run may be cancelled, each at any wait; the test's own is not.
        nested_loops: so many loops may begin inside the loop, each at any wait, as a modal dialog's does.
        late_replies: so many results of Gio's and replies of D-Bus may come after the next deadline instead of before.

    Raises: what the test raises, with notes: the schedule as a table, and a token that replays it; Deadlock; the first
        failure of a task that nobody waited for.
    Thread: the hub's own, outside tasks.

    >>> from gleenlet import Event, spawn, TaskGroup
    >>> @explore(runs=100)
    ... def test():
    ...     order = []
    ...     with TaskGroup() as group:
    ...         for name in "ab":
    ...             group.spawn(order.append, name)
    ...     assert order == ["a", "b"]
    >>> try:
    ...     test()
    ... except AssertionError as error:
    ...     print(*error.__notes__, sep="\\n")
    found in run ...
       2    0.000 s  append-...  ends
    ...
    The same again: pytest --gleenlet-replay t1, or GLEENLET_REPLAY=t1 in the environment.
    """

    def decorate(func: Callable[P, object]) -> Callable[P, None]:
        @functools.wraps(func)
        def explored(*args: P.args, **kwargs: P.kwargs) -> None:
            if current_task() is not None:
                raise GleenletError("explore() makes a task for each run: call the test outside any")
            explorer = Explorer(functools.partial(func, *args, **kwargs), cancellations, nested_loops, late_replies)
            token = os.environ.get("GLEENLET_REPLAY")
            with explorer.exploring():
                if token:
                    recorder: Recorder | None = explorer.once(Play(from_token(token)))
                    recorder, how = (recorder if explorer.failure is not None else None), f"token {token}"
                elif exhaustive:
                    recorder, how = explorer.systematically(runs, preemptions), f"at most {preemptions} delays"
                else:
                    recorder, how = explorer.by_chance(runs, seed), f"seed {seed}"
                failure = None if recorder is None else explorer.explain(recorder, how)
            if failure is not None:
                raise failure

        explored.explored_by_gleenlet = True  # type: ignore[attr-defined]  # for the pytest plugin: makes its own tasks
        return explored

    return decorate

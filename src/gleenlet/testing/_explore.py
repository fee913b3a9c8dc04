"""Run a test under many schedules: each choice of which task is next is drawn from a tape."""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable
from typing import Any, ParamSpec

from gleenlet import GleenletError, Task, current_task, get_hub, run, sleep
from gleenlet.testing._story import Story
from gleenlet.testing._tape import Recorder, Strategy, delay_bounded, from_token, pct, play, shrink, to_token, uniform
from gleenlet.testing._virtual import START, Clock, virtual_time

__all__ = ["Explorer", "explore"]

P = ParamSpec("P")

PCT_DEPTH = 3


class Explorer:
    """One function under many schedules, on one virtual clock."""

    def __init__(self, func: Callable[[], object]) -> None:
        self.func = func
        self.hub = get_hub()
        self.runs = 0
        self.longest = 10  # choices of a run so far
        self.failure: BaseException | None = None
        self.clock: Clock | None = None

    def once(self, strategy: Strategy) -> Recorder:
        """One run; how it failed is in `failure`."""
        hub, recorder, unasked = self.hub, Recorder(strategy), list[BaseException]()
        assert self.clock is not None
        self.clock._restart()
        before = set(hub.tasks())
        on_error = hub.on_error(lambda _task, error: unasked.append(error))
        self.failure = None
        self.runs += 1
        hub._chooser = recorder
        try:
            run(self.func)
        except Exception as error:
            self.failure = error
        finally:
            hub._chooser = None
            self.end([task for task in hub.tasks() if task not in before])
            hub.on_error(on_error)
        if self.failure is None and unasked:
            self.failure = unasked[0]
        self.longest = max(self.longest, len(recorder.choices))
        return recorder

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
            source = random.Random(f"{seed}/{number}")
            strategy = pct(source, self.longest, PCT_DEPTH) if number % 2 else uniform(source)
            recorder = self.once(strategy)
            if self.failure is not None:
                return recorder
        return None

    def systematically(self, runs: int, delays: int) -> Recorder | None:
        """The first run that fails, of all with at most so many delays."""
        for recorder in delay_bounded(delays, lambda tape: self.once(play(tape))):
            if self.failure is not None or self.runs >= runs:
                return recorder if self.failure is not None else None
        return None

    def explain(self, recorder: Recorder, how: str) -> BaseException:
        """The failure of the simplest tape that fails in the same way, with a note that says how it came."""
        assert self.failure is not None
        kind, found = type(self.failure), self.runs

        def fails(tape: list[int]) -> bool:
            self.once(play(tape))
            return type(self.failure) is kind

        first, tape = self.failure, shrink(recorder.choices, fails)
        story = Story(self.hub, START)
        self.hub._observe(story)
        try:
            again = fails(tape)
        finally:
            self.hub._unobserve(story)
        failure = self.failure if again and self.failure is not None else first
        failure.add_note(f"found in run {found} ({how}). The schedule, in its simplest form:\n{story.table()}")
        token = to_token(tape)
        failure.add_note(
            f"The same again: pytest --gleenlet-replay {token}, or GLEENLET_REPLAY={token} in the environment."
            + ("" if again else " It did not fail again: not all that it depends on is in the schedule.")
        )
        return failure


def explore(
    runs: int = 1000, *, exhaustive: bool = False, preemptions: int = 2, seed: int = 0
) -> Callable[[Callable[P, object]], Callable[P, None]]:
    """Decorate a test to have it run under many schedules, each under virtual time, in a task of its own.

    Args:
        runs: how many at most. Half of them choose at random, half by random priorities (PCT).
        exhaustive: every schedule in which at most `preemptions` tasks, all in all, are passed over.
        preemptions: see there.
        seed: of the random choices: the same runs again.

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
            explorer = Explorer(functools.partial(func, *args, **kwargs))
            token = os.environ.get("GLEENLET_REPLAY")
            with virtual_time(patience=0) as explorer.clock:
                if token:
                    recorder: Recorder | None = explorer.once(play(from_token(token)))
                    recorder, how = (recorder if explorer.failure is not None else None), f"token {token}"
                elif exhaustive:
                    recorder, how = explorer.systematically(runs, preemptions), f"at most {preemptions} delays"
                else:
                    recorder, how = explorer.by_chance(runs, seed), f"seed {seed}"
                failure = None if recorder is None else explorer.explain(recorder, how)
            if failure is not None:
                raise failure

        explored._gleenlet_explored = True  # type: ignore[attr-defined]  # for the pytest plugin: makes its own tasks
        return explored

    return decorate

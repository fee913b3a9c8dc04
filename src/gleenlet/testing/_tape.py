"""The choices of one run, as a tape: which of those that were ready came next, and whether something unusual happened.

A tape is a list of indices; where it ends, the first one is taken, as without any chooser. A strategy writes it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gleenlet._core import get_ident

__all__ = [
    "Pct",
    "Play",
    "Recorder",
    "Strategy",
    "Uniform",
    "delay_bounded",
    "draw",
    "from_token",
    "happened",
    "recording",
    "shrink",
    "to_token",
]

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
WIDEST = len(DIGITS)  # of more that are ready only the first are chosen from


class Recorder:
    """The choices of one run: asks the strategy, and notes what it said, among how many, and what that costs.

    It is the hub's chooser. What is passed over costs one each; anything unusual costs one.
    """

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.choices: list[int] = []
        self.widths: list[int] = []
        self.drawn: set[int] = set()  # of the steps: those that `draw` made
        self.tell: Callable[[str], object] | None = None

    def __call__(self, ready: Sequence[Any]) -> int:
        choices = self.choices
        width = len(ready)
        if width > WIDEST:
            width = WIDEST
        choice = self.strategy.next(len(choices), ready) % width
        choices.append(choice)
        self.widths.append(width)
        return choice

    def draw(self, width: int) -> int:
        step, width = len(self.choices), min(width, WIDEST)
        choice = self.strategy.draw(step, width) % width
        self.drawn.add(step)
        self.choices.append(choice)
        self.widths.append(width)
        return choice


recording: dict[int, Recorder] = {}
"""The run that goes on, by thread."""


def draw(width: int) -> int:
    """Draw one of so many ways to go on from the tape of this thread's run; 0, the usual one, where there is none."""
    recorder = recording.get(get_ident())
    return 0 if recorder is None or width < 2 else recorder.draw(width)


def happened(what: str) -> None:
    """Have the table of this run say so."""
    recorder = recording.get(get_ident())
    if recorder is not None and recorder.tell is not None:
        recorder.tell(what)


class Play:
    """What the tape says, then always the first."""

    def __init__(self, tape: list[int]) -> None:
        self.tape = tape

    def next(self, step: int, ready: Sequence[Any]) -> int:
        """Which of these comes next."""
        return self.tape[step] if step < len(self.tape) else 0

    def draw(self, step: int, width: int) -> int:
        """Which of so many ways to go on, of which the first is the usual one."""
        return self.next(step, ())


class Uniform:
    """Any of what is ready, with equal probability; and something unusual at one to three places, or at half of them.

    Args:
        draws: at how many places something unusual could happen in a run so far.
    """

    def __init__(self, source: random.Random, draws: int) -> None:
        self.source = source
        self.random = source.random
        times = source.choice((1, 2, 3, draws // 2)) if draws else 0
        self.unusual = {source.randrange(draws) for _ in range(times)}
        self.drawn = 0

    def next(self, step: int, ready: Sequence[Any]) -> int:
        return int(self.random() * len(ready))

    def draw(self, step: int, width: int) -> int:
        self.drawn += 1
        return self.source.randrange(1, width) if self.drawn - 1 in self.unusual else 0


class Pct(Uniform):
    """Probabilistic concurrency testing: by random priorities, of which some are lowered on the way.

    Finds a bug that needs `depth` orders of events among n tasks and k steps with a probability of at least
    1 / (n * k ** (depth - 1)): Burckhardt and others, ASPLOS 2010.

    Args:
        length: steps that a run is thought to have.
    """

    def __init__(self, source: random.Random, draws: int, length: int, depth: int) -> None:
        super().__init__(source, draws)
        self.priorities: dict[int, float] = {}
        self.kept: list[Any] = []  # so that no identity is used again
        self.lowered = {int(self.random() * length): -float(i) for i in range(1, depth)}

    def next(self, step: int, ready: Sequence[Any]) -> int:
        priorities = self.priorities
        found = []
        for item in ready:
            priority = priorities.get(id(item))
            if priority is None:
                priority = priorities[id(item)] = self.random()
                self.kept.append(item)
            found.append(priority)
        best = found.index(max(found))
        if step in self.lowered:
            found[best] = priorities[id(ready[best])] = self.lowered[step]
            best = found.index(max(found))
        return best


Strategy = Play | Uniform
"""Says what comes next."""


def delay_bounded(delays: int, run: Callable[[list[int]], Recorder]) -> Iterator[Recorder]:
    """Every run in which, all in all, the unusual costs at most so much; depth first, each once."""
    stack: list[tuple[list[int], int]] = [([], delays)]
    while stack:
        tape, left = stack.pop()
        recorder = run(tape)
        yield recorder
        for step in range(len(recorder.choices) - 1, len(tape) - 1, -1):
            drawn, last = step in recorder.drawn, recorder.widths[step] - 1
            widest = 0 if not left else last if drawn else min(left, last)
            stack.extend(
                ([*recorder.choices[:step], choice], left - (1 if drawn else choice)) for choice in range(widest, 0, -1)
            )


def shrink(tape: list[int], fails: Callable[[list[int]], bool], tries: int = 300) -> list[int]:
    """A simpler tape that fails as well: shorter, and with more of its choices the first."""

    def attempt(candidate: list[int]) -> bool:
        nonlocal tape, tries
        candidate = strip(candidate)
        if candidate == tape or tries <= 0:
            return False
        tries -= 1
        if not fails(candidate):
            return False
        tape = candidate
        return True

    attempt(strip(tape))
    for start in range(len(tape) - 1, 0, -1):  # often the last choices alone decide
        if attempt([0] * start + tape[start:]):
            break
    size = max(len(tape) // 2, 1)
    while tries > 0:
        changed = False
        start = 0
        while start < len(tape):
            part = tape[start : start + size]
            rest = tape[start + size :]
            simpler = [tape[:start] + rest]
            if any(part):
                simpler.append(tape[:start] + [0] * len(part) + rest)
            if size == 1 and part[0] > 1:
                simpler.append([*tape[:start], part[0] - 1, *rest])
            if any(attempt(candidate) for candidate in simpler):
                changed = True
            else:
                start += size
        if size == 1 and not changed:
            break
        size = max(size // 2, 1)
    return tape


def strip(tape: list[int]) -> list[int]:
    end = len(tape)
    while end and not tape[end - 1]:
        end -= 1
    return tape[:end]


def to_token(tape: list[int]) -> str:
    return "t" + "".join(DIGITS[choice] for choice in strip(tape))


def from_token(token: str) -> list[int]:
    """Raises: ValueError: it is no token."""
    if not token.startswith("t") or set(token[1:]) - set(DIGITS):
        raise ValueError(f"a replay token is a t and digits, as a failure prints it, not {token!r}")
    return [DIGITS.index(digit) for digit in token[1:]]

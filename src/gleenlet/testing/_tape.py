"""The choices of one run, as a tape: which of those that were ready came next.

A tape is a list of indices; where it ends, the first one is taken, as without any chooser. A strategy writes it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

__all__ = ["Recorder", "Strategy", "delay_bounded", "from_token", "pct", "play", "shrink", "to_token", "uniform"]

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
WIDEST = len(DIGITS)  # of more that are ready only the first are chosen from


class Strategy(Protocol):
    """Says which is next."""

    def __call__(self, step: int, ready: list[Any]) -> int: ...


class Recorder:
    """The hub's chooser for one run: asks the strategy, and notes what it said and among how many."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.choices: list[int] = []
        self.widths: list[int] = []

    def __call__(self, ready: list[Any]) -> int:
        width = min(len(ready), WIDEST)
        choice = self.strategy(len(self.choices), ready) % width
        self.choices.append(choice)
        self.widths.append(width)
        return choice


def play(tape: list[int]) -> Strategy:
    """What the tape says, then always the first."""
    return lambda step, _ready: tape[step] if step < len(tape) else 0


def uniform(source: random.Random) -> Strategy:
    """Any, with equal probability."""
    return lambda _step, ready: source.randrange(len(ready))


def pct(source: random.Random, length: int, depth: int) -> Strategy:
    """Probabilistic concurrency testing: by random priorities, of which some are lowered on the way.

    Finds a bug that needs `depth` orders of events among n tasks and k steps with a probability of at least
    1 / (n * k ** (depth - 1)): Burckhardt and others, ASPLOS 2010.

    Args:
        length: steps that a run is thought to have.
    """
    priorities: dict[int, float] = {}
    kept: list[Any] = []  # so that no identity is used again
    lowered = {source.randrange(max(length, 1)): -float(i) for i in range(1, depth)}

    def choose(step: int, ready: list[Any]) -> int:
        for item in ready:
            if id(item) not in priorities:
                priorities[id(item)] = source.random()
                kept.append(item)
        best = max(range(len(ready)), key=lambda i: priorities[id(ready[i])])
        if step in lowered:
            priorities[id(ready[best])] = lowered[step]
            best = max(range(len(ready)), key=lambda i: priorities[id(ready[i])])
        return best

    return choose


def delay_bounded(delays: int, run: Callable[[list[int]], Recorder]) -> Iterator[Recorder]:
    """Every run in which, all in all, at most so many that were ready are passed over; depth first, each once."""
    stack: list[list[int]] = [[]]
    while stack:
        tape = stack.pop()
        recorder = run(tape)
        yield recorder
        left = delays - sum(tape)
        for step in range(len(recorder.choices) - 1, len(tape) - 1, -1):
            widest = min(left, recorder.widths[step] - 1)
            stack.extend([*recorder.choices[:step], choice] for choice in range(widest, 0, -1))


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

"""Programs as data: what an operation is, making a random program from a seed, and leaving parts of one out.

A program is a list of operations. An operation is a list: its kind's name, then its arguments: whole numbers, and lists
of operations that it runs somewhere. So a program can be printed, read, and made smaller. Knows nothing of gleenlet.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "Operation", "Program", "make", "operation", "without"]

Operation = list[Any]
Program = list[Operation]

NUMBERS = 1000  # arguments are below
DEEPEST = 6
PLACES = {"k": "task", "c": "callback", "r": "raw"}


@dataclass(frozen=True)
class Kind:
    """A kind of operation, and the function that carries it out."""

    name: str
    function: Callable[..., object]
    weight: float
    places: frozenset[str]
    arguments: str  # n: a number; s: operations for the same place; k, c, r: for a task, a callback, a raw greenlet


KINDS: dict[str, Kind] = {}


def operation(
    weight: float, arguments: str = "", places: str = "task raw"
) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Make a function a kind of operation; `weight` says how often it is drawn, `places` where it may stand."""

    def add(function: Callable[..., object]) -> Callable[..., object]:
        name = function.__name__
        KINDS[name] = Kind(name, function, weight, frozenset(places.split()), arguments)
        return function

    return add


class Maker:
    """Draws programs; `weights` replaces those of some kinds, 0 for never."""

    def __init__(self, seed: str, size: int, weights: dict[str, float]) -> None:
        self.random = random.Random(seed)
        self.left = size
        self.choices: dict[str, tuple[list[Kind], list[float]]] = {}
        # Each program has moods: most kinds are rarer than usual in it, some much more frequent.
        moods = {name: self.random.choice((0.1, 0.5, 1.0, 1.0, 4.0)) for name in KINDS}
        for place in ("task", "callback", "raw"):
            kinds = [kind for kind in KINDS.values() if place in kind.places and weights.get(kind.name, 1) > 0]
            total, cumulated = 0.0, []
            for kind in kinds:
                total += weights.get(kind.name, kind.weight * moods[kind.name])
                cumulated.append(total)
            self.choices[place] = kinds, cumulated

    def body(self, place: str, depth: int) -> Program:
        length = min(self.left, 1 + int(self.random.random() ** 2 * 12))
        self.left -= length
        return [self.operation(place, depth) for _ in range(length)]

    def operation(self, place: str, depth: int) -> Operation:
        kinds, cumulated = self.choices[place]
        (kind,) = self.random.choices(kinds, cum_weights=cumulated)
        made: Operation = [kind.name]
        for argument in kind.arguments:
            if argument == "n":
                made.append(int(self.random.random() * NUMBERS))
            else:
                made.append(self.body(PLACES.get(argument, place), depth + 1) if depth < DEEPEST else [])
        return made


def make(seed: str, size: int = 300, weights: dict[str, float] | None = None) -> Program:
    """Draw a program of about `size` operations; the same one for the same seed."""
    maker = Maker(seed, size, weights or {})
    program: Program = []
    while maker.left > 0:
        program += maker.body("task", 0)
    return program


def paths(program: Program, prefix: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Where each operation stands, outer ones first."""
    for index, made in enumerate(program):
        path = (*prefix, index)
        yield path
        for place, argument in enumerate(made):
            if isinstance(argument, list):
                yield from paths(argument, (*path, place))


def without(program: Program, gone: set[tuple[int, ...]], prefix: tuple[int, ...] = ()) -> Program:
    """The program less the operations at these paths."""
    return [
        [
            without(argument, gone, (*prefix, index, place)) if isinstance(argument, list) else argument
            for place, argument in enumerate(made)
        ]
        for index, made in enumerate(program)
        if (*prefix, index) not in gone
    ]

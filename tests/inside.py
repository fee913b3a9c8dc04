"""Runs a test as a task. Knows nothing of what it tests."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

from gleenlet import run

P = ParamSpec("P")


def in_task(test: Callable[P, None]) -> Callable[P, None]:
    """For what needs a task: groups and timeouts."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test, *args, **kwargs)

    return wrapper


def both_orders(first: Callable[[], object], second: Callable[[], object], turned: bool) -> None:
    """Do both with nothing in between, or the other way round."""
    if turned:
        first, second = second, first
    first()
    second()

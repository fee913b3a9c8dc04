"""What counts, spans of time and deadlines have to be; the errors name what was given instead."""

from __future__ import annotations

import math
import operator

from gleenlet._core._native import get_hub

__all__ = ["check_span", "deadline_in", "real_deadline", "time_left", "whole_number"]


def whole_number(value: int, name: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}") from None


def check_span(span: float, name: str = "seconds", unit: str = " of seconds", *, above: bool = False) -> None:
    """Raise TypeError unless it is a number, ValueError unless it is 0 or more; or above 0, if it must be."""
    try:
        fits = span > 0 if above else span >= 0
    except TypeError:
        raise TypeError(f"{name} must be a number{unit}, not {type(span).__name__}") from None
    if not fits:
        raise ValueError(f"{name} must be {'above 0' if above else '0 or more seconds'}, not {span!r}")


def deadline_in(seconds: float | None) -> float | None:
    try:
        return None if seconds is None else get_hub().time() + seconds
    except TypeError:
        raise TypeError(f"seconds must be a number of seconds or None, not {type(seconds).__name__}") from None


def real_deadline(when: float | None) -> float | None:
    try:
        if when is not None and math.isnan(when):
            raise ValueError("a deadline must be a number of seconds or None, not nan")
    except TypeError:
        raise TypeError(f"a deadline must be a number of seconds or None, not {type(when).__name__}") from None
    return when


def time_left(deadline: float | None) -> float | None:
    """The timeout of the next wait where several have one deadline: that of `Waiter(timeout)`, before the first."""
    return None if deadline is None else max(0.0, deadline - get_hub().time())

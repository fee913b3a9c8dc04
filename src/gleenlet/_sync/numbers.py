"""What counts and deadlines have to be; the errors name what was given instead."""

from __future__ import annotations

import math
import operator

from gleenlet._core import get_hub

__all__ = ["deadline_in", "real_deadline", "whole_number"]


def whole_number(value: int, name: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}") from None


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

"""What a span of time has to be, in the words of every function that is given one, and what is left of it."""

from __future__ import annotations

from gleenlet._core._native import get_hub

__all__ = ["check_span", "time_left"]


def check_span(span: float, name: str = "seconds", unit: str = " of seconds", *, above: bool = False) -> None:
    """Raise TypeError unless it is a number, ValueError unless it is 0 or more; or above 0, if it must be."""
    try:
        fits = span > 0 if above else span >= 0
    except TypeError:
        raise TypeError(f"{name} must be a number{unit}, not {type(span).__name__}") from None
    if not fits:
        raise ValueError(f"{name} must be {'above 0' if above else '0 or more seconds'}, not {span!r}")


def time_left(deadline: float | None) -> float | None:
    """The timeout of the next wait where several have one deadline: that of `Waiter(timeout)`, before the first."""
    return None if deadline is None else max(0.0, deadline - get_hub().time())

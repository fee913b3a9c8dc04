"""How large a task's first Python stack chunk is, after a self-test of CPython's private layout."""

from __future__ import annotations

from collections.abc import Callable

from greenlet import greenlet

from gleenlet._core import _native, _slabs

__all__ = ["first_chunk"]


def descend(look: Callable[[], None], depth: int = 60) -> None:
    """Have frames in the first chunk, and some more in the next one."""
    look()
    if depth:
        descend(look, depth - 1)


# On a Python whose chunks are laid out otherwise tasks have its own: slower and larger, and nothing breaks.
FITS = greenlet(_native.try_stack_chunk).switch(_slabs.SMALL, descend)


def first_chunk() -> int:
    """Bytes, 0: as CPython has it. Chunks come from slabs from now on, unless it is 0."""
    return _slabs.SMALL if FITS and _slabs.install() else 0

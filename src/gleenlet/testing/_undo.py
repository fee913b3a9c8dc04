"""What holds for a block, and is undone at its end: something in place of something else, a handler, an observer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from gleenlet import Hub

__all__ = ["BEGINS", "ENDS", "INTERRUPTED", "SPAWNED", "WAITS", "WAKES", "connected", "observed", "replaced"]

SPAWNED, BEGINS, WAITS, WAKES, INTERRUPTED, ENDS = range(6)  # what an observer is told of: enum Event in core.h


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    """Have a class or module give something else by this name."""
    own, before = name in vars(owner), getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)


@contextlib.contextmanager
def connected(obj: Any, signal: str, func: Callable[..., object]) -> Iterator[None]:
    """Have `func` called at each emission."""
    handler = obj.connect(signal, func)
    try:
        yield
    finally:
        obj.disconnect(handler)


@contextlib.contextmanager
def observed(hub: Hub, func: Callable[[int, Any], object]) -> Iterator[None]:
    """Have `func(event, item)` called at each step of the hub's; who observes last is told first."""
    hub.observe(func)
    try:
        yield
    finally:
        hub.unobserve(func)

"""What is done to all loops of the process: to those that there are, and to each that is made meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from gleenlet import Hub
from gleenlet._core import all_hubs, in_its_thread, new_hubs

__all__ = ["UntilStopped", "in_all_hubs"]


class UntilStopped:
    """What goes on until its `stop()`, or the end of a `with` block."""

    def stop(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def in_all_hubs(func: Callable[[Hub], object]) -> None:
    """Have `func(hub)` called for each hub, in its thread, until `new_hubs.remove(func)`."""
    new_hubs.append(func)
    for hub in all_hubs():
        in_its_thread(hub, func, hub)

"""Who is shown the failures of an object's tasks: the nearest that wants to be, from a widget up to the application.

Knows nothing of tasks, and nothing of how they are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gi.repository import Gio

from gleenlet.gtk._ends import address_of, application_of, has_ended, is_widget

__all__ = ["failed", "on_failure"]

Shown = Callable[[Any, Exception], object]

wanted: dict[int, Shown] = {}
"""By the address of whom to show failures at, as long as it lives."""


def on_failure(owner: Any, func: Shown) -> None:
    """Have `func(owner, error)` called for each failure in what belongs to `owner`, in place of an earlier `func`."""
    address = address_of(owner)
    if address not in wanted:
        owner.weak_ref(forget, address)
    wanted[address] = func


def forget(address: int) -> None:
    del wanted[address]


def failed(owner: Any, error: Exception) -> None:
    """A task of `owner` has failed, and nobody waits for it. Each exception is shown once, whomever it went through."""
    if "_gleenlet_shown" in vars(error):
        return
    for place in places(owner):
        func = wanted.get(address_of(place))
        if func is not None:
            vars(error)["_gleenlet_shown"] = True
            func(place, error)
            return


def places(owner: Any) -> Iterator[Any]:
    """From a widget to its window, if that is open, to its application."""
    application = application_of(owner)
    if is_widget(owner) and not has_ended(owner):
        while owner is not None:
            yield owner
            owner = owner.get_parent()
    if isinstance(application, Gio.Application):
        yield application

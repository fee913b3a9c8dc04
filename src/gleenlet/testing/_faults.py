"""What may happen while a task waits, as the tape of an explored run says: outside `explore` nothing of it does."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from gi.repository import Gio

from gleenlet import get_hub, spawn, wait_signal
from gleenlet._core import Waiter, what_it_waits_for
from gleenlet.gtk import inside
from gleenlet.testing._tape import draw, happened
from gleenlet.testing._undo import WAITS, WAKES, connected, observed

__all__ = [
    "Unusual",
    "answer_dialogs",
    "choice",
    "may_be_clicked_twice",
    "may_be_destroyed",
    "may_happen",
    "may_lose_peer",
]

T = TypeVar("T")

REPLIES = "D-Bus reply", "Gio"


def choice(first: T, *others: T) -> T:
    """Return one of these, drawn from the tape: the first one outside `explore`.

    >>> choice("yes", "no")
    'yes'
    """
    options = (first, *others)
    index = draw(len(options))
    if index:
        happened(f"chooses {options[index]!r}")
    return options[index]


@dataclass
class Unusual:
    """An observer that has something happen at a wait, when it has just begun or is just over, if the tape says so."""

    left: int
    """So often in this run."""
    says: Callable[[Waiter], str]
    happens: Callable[[Waiter], object]
    fits: Callable[[int, Waiter], bool]
    """At which moments it may: those of the hub's WAITS and WAKES."""

    def __call__(self, event: int, waiter: Waiter) -> None:
        if self.left and event in (WAITS, WAKES) and waiter.job is not None and self.fits(event, waiter) and draw(2):
            self.left -= 1
            happened(f"meanwhile: {self.says(waiter)}")
            self.happens(waiter)


@contextlib.contextmanager
def may_happen(
    action: Callable[[], object], *, times: int = 1, name: str = "", at: str | tuple[str, ...] = ""
) -> Iterator[None]:
    """Have `explore` try what happens if `action()` is called while a task waits in this block.

    At each wait, when it has just begun or is just over, or never.

    Args:
        action: runs in a task of its own, next or some steps later.
        times: at most so often in a run.
        name: for the table; else the function's.
        at: only at waits whose name begins so, or so: "Lock.acquire", "signal clicked".

    Thread: the hub's own.

    >>> from gleenlet import sleep
    >>> from gleenlet.testing import explore
    >>> seen = set()
    >>> @explore(exhaustive=True)
    ... def test():
    ...     log = []
    ...     with may_happen(lambda: log.append("it has")):
    ...         sleep(1)
    ...     seen.add(tuple(log))
    >>> test()
    >>> sorted(seen)
    [(), ('it has',)]
    """
    name = name or getattr(action, "__name__", "action")
    unusual = Unusual(
        times,
        lambda _: name,
        lambda _: spawn(action, name=name),
        lambda _, waiter: what_it_waits_for(waiter).startswith(at),
    )
    with observed(get_hub(), unusual):
        yield


def may_be_destroyed(widget: Any) -> contextlib.AbstractContextManager[None]:
    """Have `explore` try each wait in this block with the widget gone meanwhile: destroyed, or taken from its parent.

    A dialog of libadwaita's is closed whatever it says.

    Thread: GTK's.
    """
    return may_happen(lambda: destroy(widget), name=f"destroys <{type(widget).__name__}>")


def destroy(widget: Any) -> None:
    if hasattr(widget, "destroy"):  # a window; with GTK 3 any widget
        widget.destroy()
        return
    parent = widget.get_parent()
    if parent is None:
        return
    if hasattr(widget, "force_close"):  # an Adw.Dialog; its parent is libadwaita's own
        widget.force_close()
    elif hasattr(parent, "remove"):
        parent.remove(widget)
    elif hasattr(parent, "set_child"):
        parent.set_child(None)
    else:
        widget.unparent()


def may_be_clicked_twice(button: Any) -> contextlib.AbstractContextManager[None]:
    """Have `explore` try a second click after each one in this block, while a user could still click the button.

    Thread: GTK's.
    """
    again = False

    def clicked(_button: object) -> None:
        if not again and draw(2):
            happened("a double click")
            spawn(second, name="second click")

    def second() -> None:
        nonlocal again
        if button.get_mapped() and button.is_sensitive():
            again = True
            try:
                button.emit("clicked")
            finally:
                again = False

    return connected(button, "clicked", clicked)


def may_lose_peer(connection: Gio.DBusConnection) -> contextlib.AbstractContextManager[None]:
    """Have `explore` try each wait for a D-Bus reply in this block with the peer gone before the reply.

    Args:
        connection: the peer's, or ours: the one to be closed.

    Thread: the hub's own.
    """
    return may_happen(
        lambda: connection.is_closed() or connection.close_sync(None), name="closes the D-Bus connection", at=REPLIES
    )


@contextlib.contextmanager
def answer_dialogs(*, never: bool = False) -> Iterator[list[str]]:
    """Answer each dialog that opens in this block; yields what was done with them: "OK", "closed", "never".

    Outside `explore` the first button is pressed; `explore` tries every button, and that the dialog is closed. Dialogs
    are windows that belong to another one, all `Gtk.Dialog`s, and those of libadwaita inside a window (`Adw.Dialog`).

    Args:
        never: try no answer as well.

    Thread: GTK's.
    """
    gtk: Any = importlib.import_module("gi.repository.Gtk")
    answers: list[str] = []

    def appears(dialog: Any) -> None:
        spawn(answer, dialog, name="user")

    def look_into(window: Any) -> None:
        if hasattr(window, "get_dialogs"):  # one of libadwaita's, from 1.5 on
            undo.enter_context(each_new(window.get_dialogs(), appears))

    def opens(window: Any) -> None:
        look_into(window)
        appears(window)

    def answer(dialog: Any) -> None:
        if not dialog.get_mapped():
            wait_signal(dialog, "map")
        is_window = isinstance(dialog, gtk.Window) and not isinstance(dialog, gtk.Dialog)
        if (is_window and dialog.get_transient_for() is None) or not dialog.get_mapped():
            return
        buttons = {label: one for one in inside(dialog) if isinstance(one, gtk.Button) and (label := one.get_label())}
        does = choice(*buttons, "closed", *(["never"] if never else []))
        answers.append(does.replace("_", ""))
        if does == "closed":
            dialog.close()
        elif does != "never":
            buttons[does].emit("clicked")

    with contextlib.ExitStack() as undo:
        shown: Any = gtk.Window.get_toplevels()
        for window in shown:
            look_into(window)
        undo.enter_context(each_new(shown, opens))
        yield answers


def each_new(shown: Any, appears: Callable[[Any], object]) -> contextlib.AbstractContextManager[None]:
    """Have `appears(item)` called for what comes into a list model in this block."""
    known = list(shown)

    def changed(*_: object) -> None:
        nonlocal known
        before, known = known, list(shown)
        for item in known:
            if item not in before:
                appears(item)

    return connected(shown, "items-changed", changed)

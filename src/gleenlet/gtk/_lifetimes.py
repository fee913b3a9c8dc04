"""Tasks that end with an object. Knows how a task is cancelled and waited for; how an end is told is _ends.py's."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from gi.repository import Gio, GLib, GObject

from gleenlet import Cancelled, Event, GleenletError, Task, get_hub, signals
from gleenlet._core import FAILED, check_runs
from gleenlet.gtk._ends import End, address_of, describe, has_ended, is_widget
from gleenlet.gtk._failures import failed

__all__ = ["OwnedTask", "OwnedTasks", "run_after", "spawn_owned", "tasks_of"]

T = TypeVar("T")


def tasks_of(owner: GObject.Object) -> OwnedTasks:
    """Return where to start tasks that end with `owner`: they are cancelled when it does.

    Args:
        owner: a window, ended by closing it (hiding is no end); another widget: with its window, or when it is
            taken out of it and not put back at once; an application, by its shutdown, which waits up to
            5 seconds for the tasks' `finally`; any other GObject: when nobody holds it any more.

    It is not kept alive, but a task that waits keeps what it uses: its `self`.

    Raises: TypeError: `owner` is no GObject. GleenletError: its window was closed already.
    Thread: the one that `owner` is used in.

    >>> from gi.repository import Gio
    >>> from gleenlet import sleep
    >>> owner = Gio.SimpleAction.new("save", None)
    >>> task = tasks_of(owner).spawn(sleep, 60)
    >>> del owner
    >>> task.join(), task.cancelled()
    (True, True)
    """
    if not isinstance(owner, GObject.Object):
        raise TypeError(
            f"tasks_of() needs a widget, an application or another GObject, whose end is told; not {owner!r}: "
            "use spawn(), or a TaskGroup"
        )
    if has_ended(owner):
        raise GleenletError(f"tasks_of(): the window of {describe(owner)} was closed, so no task of it can be started")
    return OwnedTasks(owner)


class OwnedTasks:
    """The tasks of one owner; made by `tasks_of`.

    >>> from gi.repository import GObject
    >>> owner = GObject.Object()
    >>> tasks_of(owner).spawn(max, 1, 2).result()
    2
    """

    __slots__ = ("_owner", "_repr")

    def __init__(self, owner: Any) -> None:
        self._owner = owner.weak_ref()
        self._repr = f"<OwnedTasks of {describe(owner)}>"

    def __repr__(self) -> str:
        return self._repr

    def spawn(
        self,
        func: Callable[..., T],
        /,
        *args: Any,
        name: str | None = None,
        priority: int = GLib.PRIORITY_DEFAULT,
        hold: bool = False,
        **kwargs: Any,
    ) -> Task[T]:
        """Start `func(*args, **kwargs)` as a task that is cancelled when the owner ends; as `gleenlet.spawn`.

        Args:
            hold: the owner is an application, and runs at least until the task has ended.

        Raises:
            TypeError: `func` cannot be called, or does not run when it is; `hold` without an application.
            GleenletError: the owner has ended; or it ends when nobody holds it, and this task would.

        >>> from gi.repository import GObject
        >>> owner = GObject.Object()
        >>> tasks_of(owner).spawn(print, "hello").join()
        hello
        True
        """
        return self._life(func, args, kwargs).spawn(func, args, kwargs, name=name, priority=priority, hold=hold)

    def restart(
        self,
        key: Hashable,
        func: Callable[..., T],
        /,
        *args: Any,
        name: str | None = None,
        priority: int = GLib.PRIORITY_DEFAULT,
        **kwargs: Any,
    ) -> Task[T]:
        """As `spawn`, but cancel the last one that was started with this key first, and start when it has ended.

        Args:
            key: anything that can be a dictionary's key: a name for what there is at most one of.

        Raises: as `spawn`.

        >>> from gi.repository import GObject
        >>> from gleenlet import sleep
        >>> owner = GObject.Object()
        >>> first = tasks_of(owner).restart("search", sleep, 60)
        >>> tasks_of(owner).restart("search", print, "found").join(), first.cancelled()
        found
        (True, True)
        """
        check_runs(func)
        life = self._life(func, args, kwargs)
        earlier = [task for task in life.tasks if task.key == (key,)]
        for task in earlier:
            task.cancel()
        after = functools.partial(run_after, earlier, func)
        name = name or getattr(func, "__name__", None)
        return life.spawn(after, args, kwargs, name=name, priority=priority, key=(key,))

    def while_mapped(self, func: Callable[..., object], /, *args: Any, **kwargs: Any) -> Task[None]:
        """Run `func(*args, **kwargs)` as a task while the widget is to be seen: each time anew.

        It is started when the widget is mapped (at once if it is), cancelled when that ends: hidden, on a page
        of a stack that is not shown, taken out of its window.

        Returns: the task that sees to it: cancel it to have no more of it.
        Raises: TypeError: the owner is no widget, or `func` cannot be called. GleenletError: it has ended.

        >>> import gi; gi.require_version("Gtk", "4.0")
        >>> from gi.repository import Gtk
        >>> from gleenlet import Event
        >>> window, seen = Gtk.Window(), Event()
        >>> task = tasks_of(window).while_mapped(seen.set)
        >>> window.present(); seen.wait()
        True
        >>> window.destroy(); task.join(), task.cancelled()
        (True, True)
        """
        owner: Any = self._alive()
        if not is_widget(owner):
            raise TypeError(f"while_mapped() needs a widget, not {owner!r}")
        check_runs(func)
        life = life_of(owner)
        start = functools.partial(life.spawn, func, args, kwargs)
        name = f"{getattr(func, '__name__', 'Task')} while mapped"
        changes = signals((owner, "map"), (owner, "unmap"), limit=1, when_full="drop_newest")
        return life.spawn(follow, (changes, owner.weak_ref(), start), {}, name=name)

    def _alive(self) -> GObject.Object:
        owner: GObject.Object | None = self._owner()
        if owner is None or has_ended(owner):
            raise GleenletError(f"{self!r} cannot start a task: it has ended")
        return owner

    def _life(self, func: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tasks:
        owner = self._alive()
        if not is_widget(owner) and not isinstance(owner, Gio.Application) and holds(func, args, kwargs, owner):
            raise GleenletError(
                f"{func!r} would keep {describe(owner)} alive, which ends when nobody holds it: the task would never "
                "be cancelled. Use the tasks of a window or an application, or a function that does not use it"
            )
        return life_of(owner)


def holds(func: object, args: tuple[Any, ...], kwargs: dict[str, Any], owner: object) -> bool:
    """Whether a call keeps `owner` alive in plain sight."""
    if isinstance(func, functools.partial) and holds(func.func, func.args, func.keywords, owner):
        return True
    return any(held is owner for held in (getattr(func, "__self__", None), *args, *kwargs.values()))


class OwnedTask(Task[T]):
    """A task that tells when it has ended, however it does, without that being a wait for its outcome."""

    life: Tasks | None
    key: Hashable
    at_end: list[Callable[[], object]]

    @classmethod
    def make(
        cls,
        life: Tasks | None,
        func: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None,
        priority: int,
    ) -> OwnedTask[T]:
        task: OwnedTask[T] = OwnedTask(func, args, kwargs, priority, name, True)
        task.callbacks = []  # have _finished() called at every end
        task.life, task.key, task.at_end = life, None, []
        return task

    def wait_end(self) -> None:
        """Wait until it has ended; its failure is still one that nobody asks for."""
        if not self.done():
            ended = Event()
            self.at_end.append(ended.set)
            ended.wait()

    def _finished(self) -> None:
        unasked = not self.callbacks
        super()._finished()
        at_end, self.at_end = self.at_end, []
        for tell in at_end:
            tell()
        if self.life is not None:
            self.life.ended(self, unasked)


class Tasks:
    """The life of an owner as far as tasks are concerned: from its first task to its last one's end."""

    def __init__(self, owner: GObject.Object) -> None:
        self.hub = get_hub()
        self.address = address_of(owner)
        self.tasks: dict[OwnedTask[Any], None] = {}  # in order
        self.watch = End(owner, self.end, self.warn)

    def spawn(
        self,
        func: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        name: str | None = None,
        priority: int = GLib.PRIORITY_DEFAULT,
        hold: bool = False,
        key: Hashable = None,
    ) -> OwnedTask[T]:
        owner: Any = self.watch.owner()
        try:
            if hold and not isinstance(owner, Gio.Application):
                raise TypeError(f"hold=True needs an application, not {owner!r}")
            task = OwnedTask.make(self, func, args, kwargs, name, priority)
        except BaseException:
            self.close_if_empty()
            raise
        task.key = key
        self.tasks[task] = None
        if hold:
            owner.hold()
            task.at_end.append(owner.release)
        return task

    def end(self) -> None:
        if lives.get(self.address) is self:
            del lives[self.address]  # an owner that is realized once more has a new one
            for task in list(self.tasks):
                task.cancel("its owner has ended")

    def ended(self, task: OwnedTask[Any], unasked: bool) -> None:
        del self.tasks[task]
        if unasked and task.state == FAILED and isinstance(task.value, Exception):  # exception() would be to ask
            owner = self.watch.owner()
            if owner is not None:
                failed(owner, task.value)
        self.close_if_empty()

    def close_if_empty(self) -> None:
        if not self.tasks:
            if lives.get(self.address) is self:
                del lives[self.address]
            self.watch.close()

    def warn(self) -> None:
        names = ", ".join(repr(task) for task in self.tasks)
        warnings.warn(f"still running after the application's shutdown: {names}", RuntimeWarning, stacklevel=2)


lives: dict[int, Tasks] = {}
"""By the owner's address."""


def life_of(owner: GObject.Object) -> Tasks:
    life = lives.get(address_of(owner))
    if life is None:
        life = lives[address_of(owner)] = Tasks(owner)
    elif life.hub is not get_hub():
        raise GleenletError(
            f"the tasks of {describe(owner)} run in another thread: use from_thread() to start one there"
        )
    return life


def spawn_owned(
    owner: GObject.Object | None,
    func: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    name: str | None,
    priority: int,
    hold: bool,
) -> OwnedTask[T]:
    """A task of `owner` that may hold it; of nobody's, if there is none."""
    if owner is None:
        return OwnedTask.make(None, func, args, kwargs, name, priority)
    return life_of(owner).spawn(func, args, kwargs, name=name, priority=priority, hold=hold)


def run_after(earlier: list[OwnedTask[Any]], func: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    for task in earlier:
        task.wait_end()
    earlier.clear()
    return func(*args, **kwargs)


def follow(changes: signals[Any], widget: Callable[[], Any], start: Callable[[], OwnedTask[Any]]) -> None:
    """Have a task while the widget is mapped. Looks when it runs: what came and went meanwhile is no change."""

    def is_mapped() -> bool:
        return widget() is not None and widget().get_mapped()

    task: OwnedTask[Any] | None = None
    try:
        with changes:
            for _ in itertools.chain([None], changes):
                if task is not None and not is_mapped():
                    last, task = task, None
                    last.cancel()
                    last.wait_end()
                if task is None and is_mapped():
                    task = start()
    finally:
        if task is not None:
            task.cancel()
    raise Cancelled("its owner has ended")

"""One Hub per thread and context: deadlines, descriptors, and resuming greenlets from the loop.

Whoever dispatches the context's sources drives the hub; it has no greenlet and no start-up call of its own.
This file knows nothing of tasks but that they are `_native.Job`s.
"""

from __future__ import annotations

import atexit
import sys
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any, ClassVar, cast

from gi.repository import GLib
from greenlet import getcurrent
from greenlet._greenlet import enable_optional_cleanup

from gleenlet._core import _native
from gleenlet._core._native import Handle, Waiter, get_ident
from gleenlet._core.blame import explain, explain_collection, where
from gleenlet._core.chunk import first_chunk
from gleenlet._core.contexts import drop_context, own_context, runs_application
from gleenlet._core.errors import GleenletError, UnsafeSwitchError
from gleenlet._core.wakeup import signals_wake

__all__ = ["SWITCH", "Hub", "all_hubs", "get_hub", "in_its_thread", "new_hubs"]

_made: weakref.WeakValueDictionary[int, Hub] = weakref.WeakValueDictionary()

SWITCH = "Hub.switch"
"""The verb of a wait in `Hub.switch()`."""

new_hubs: list[Callable[[Hub], object]] = []
"""Called with each hub that is made, in its thread: for who observes all of them."""


class Hub(_native.Hub):
    """The adapter between greenlets and one GLib main context, on one thread.

    Made by `get_hub()`; never by hand.

    >>> hub = get_hub()
    >>> hub is get_hub()
    True
    """

    stack_reserve: ClassVar[int] = 0
    """Bytes of a thread's stack kept for the loop's own frames, above every task; 0: an eighth of the
    stack, between 64 KiB and 1 MiB. Set it before the thread's first use of gleenlet."""

    def __init__(self) -> None:
        self._drivers = 0
        self.farewells: dict[Callable[[], object], None] = {}
        self.top_level: Any = None  # of _sync: scopes that are entered outside any task
        self._on_error: Callable[[Any, BaseException], object] | None = None
        self._own_context = own_context()
        try:
            super().__init__(self.stack_reserve)
        except BaseException:
            self._leave_context()
            raise
        self._stack_chunk = first_chunk()
        _made[id(self)] = self
        for told in tuple(new_hubs):
            told(self)

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.tasks())} tasks"
        return f"<gleenlet.Hub of thread {self.thread}, {state}>"

    def call_soon(self, func: Callable[..., Any], /, *args: Any) -> Handle:
        """Have the loop call `func(*args)` in its next pass, outside any task: it must not block.

        Returns: a handle whose `cancel()` calls it off.
        Thread: the hub's own.

        >>> from gleenlet import run, sleep
        >>> get_hub().call_soon(print, "soon") and run(sleep, 0)
        soon
        """
        self.check_thread()
        return self._call(func, args, None)

    def call_soon_threadsafe(self, func: Callable[..., Any], /, *args: Any) -> Handle:
        """As `call_soon`, from any thread: wakes the loop up.

        >>> import threading
        >>> from gleenlet import run, sleep
        >>> thread = threading.Thread(target=get_hub().call_soon_threadsafe, args=(print, "hello"))
        >>> thread.start(); thread.join(); run(sleep, 0)
        hello
        """
        return self._call(func, args, None)

    def call_later(self, seconds: float, func: Callable[..., Any], /, *args: Any) -> Handle:
        """Have the loop call `func(*args)` in so many seconds.

        Raises: ValueError: `seconds` is negative or NaN.

        >>> from gleenlet import run, sleep
        >>> get_hub().call_later(0.001, print, "later") and run(sleep, 0.01)
        later
        """
        try:
            if not seconds >= 0:
                raise ValueError(f"seconds must be 0 or more seconds, not {seconds!r}")
        except TypeError:
            raise TypeError(f"seconds must be a number of seconds, not {type(seconds).__name__}") from None
        return self._call(func, args, self.time() + seconds)

    def call_at(self, deadline: float, func: Callable[..., Any], /, *args: Any) -> Handle:
        """Have the loop call `func(*args)` when `time()` reaches `deadline`; at once if it has.

        >>> from gleenlet import run, sleep
        >>> hub = get_hub()
        >>> hub.call_at(hub.time(), print, "now") and run(sleep, 0.001)
        now
        """
        return self._call(func, args, deadline)

    def switch(self) -> Any:
        """Suspend the current greenlet until somebody calls `schedule_switch` or `schedule_throw` for it.

        Returns: what was given to `schedule_switch`: None, one value, or a tuple of them.
        Raises: what was given to `schedule_throw`; UnsafeSwitchError: a GLib callback is on the stack here;
            GleenletError: the hub is another thread's, or closed.

        >>> from greenlet import getcurrent
        >>> from gleenlet import schedule_switch
        >>> task_greenlet = getcurrent()
        >>> get_hub().call_soon(schedule_switch, task_greenlet, "hello") and get_hub().switch()
        'hello'
        """
        self.check_thread()
        return Waiter(None, None, SWITCH).wait()

    def on_error(
        self, func: Callable[[Any, BaseException], object] | None
    ) -> Callable[[Any, BaseException], object] | None:
        """Have `func(task, exception)` called for failures that nobody waits for, instead of `sys.excepthook`.

        Args:
            func: must not wait; one that has to is made by `green`. `task` is None where what failed was no task;
                the exception's notes say what was. What `func` raises is printed, and the failure as well.
                None: `sys.excepthook` again.

        Returns: what was set before.
        Raises: TypeError: `func` cannot be called.
        Thread: any; `func` is called on the hub's.

        >>> from gleenlet import run, sleep, spawn
        >>> hub = get_hub()
        >>> before = hub.on_error(lambda task, error: print(task.name, "failed:", error))
        >>> task = spawn(int, "x", name="number")
        >>> del task; run(sleep, 0)
        number failed: invalid literal for int() with base 10: 'x'
        >>> hub.on_error(before) is before
        False
        """
        if func is not None and not callable(func):
            raise TypeError(f"on_error() needs a function, or None, not {type(func).__name__}")
        before, self._on_error = self._on_error, func
        return before

    # ---- called by _core ----

    def _block(self, waiter: Waiter) -> bool:
        """Block where a plain switch is not allowed: drive the loop (False), go back by hand (True), or refuse."""
        if _native.collecting():
            raise UnsafeSwitchError(explain_collection())
        current = getcurrent()
        depth = _native.main_depth()
        ours = _native.runs_tasks(current)
        if (
            not depth
            and not ours
            and self.home is None
            # Application.run calls the first `activate` before its loop turns; it may wait no more than the second.
            and not (_native.callback_depth() and runs_application())
        ):
            self._drive(waiter)
            return False
        if (
            self.home is None
            and current.parent is not None
            and _native.callback_depth() <= depth
            and not _native.runs_loop()
        ):
            # Somebody else switched to this greenlet in a GLib callback, and every C callback on the stack is
            # one of the dispatches above it: going back to him moves nothing that he did not move himself.
            return True
        raise UnsafeSwitchError(explain(in_task=current is not self.home and self.home is not None))

    def _drive(self, waiter: Waiter) -> None:
        if self.top_level is not None:
            self.top_level.before_wait()
        deadline = time.monotonic() + 1
        while not self._acquire():
            # A thread of GLib's has it for the time of one callback (g_main_context_invoke); who runs a loop keeps it.
            if time.monotonic() > deadline:
                raise GleenletError(
                    "this thread cannot drive the main context: another thread runs it; use from_thread() to enter it"
                )
            GLib.usleep(1000)
        self._drivers += 1
        self._tell_turn(False)  # plain callbacks see asyncio's loop from the first iteration on
        try:
            # What is ready already needs no sleep, and so no descriptor for signals, which costs more than a turn.
            if not self._iterate(waiter, False):
                with signals_wake(self):
                    self._iterate(waiter, True)
        finally:
            self._drivers -= 1
            if not self._drivers:
                self._tell_turn(True)
            self._release()

    def report_failure(self, exception: BaseException, what: object) -> None:
        """Seam: as `report`; but what ends the program is raised in a wait outside tasks, or ends it."""
        if isinstance(exception, SystemExit | KeyboardInterrupt) and self.raise_in_driver(exception):
            return
        if isinstance(exception, SystemExit):
            # PyGObject ends the process when a source's callback raises it, whoever runs the loop.
            source = GLib.Idle()
            source.set_priority(GLib.PRIORITY_DEFAULT)
            source.set_callback(_raise, exception)
            source.attach(GLib.MainContext.ref_thread_default())
            return
        self.report(exception, f"in {what!r}", what if isinstance(what, _native.Job) else None)

    def raise_in_driver(self, exception: BaseException) -> bool:
        """Seam: have a wait outside tasks, which drives the loop, raise this; False if there is none."""
        if self._drivers:
            self._fatal = exception
        return self._drivers > 0

    def report(self, exception: BaseException, context: str, task: Any = None) -> None:
        """Report an exception that nobody waits for: to what `on_error` has set, else to `sys.excepthook`.

        Args:
            context: what it was raised in, for a note: "in load()".
            task: the task that it was raised in, for what `on_error` has set.
        """
        func = self._on_error
        if func is None:
            self._print(exception, context)
            return
        try:
            exception.add_note(f"({context})")
            func(task, exception)
        except SystemExit as error:
            self.report_failure(error, func)
        except BaseException as error:
            self._print(exception, "which Hub.on_error()'s function has failed to handle")
            self._print(error, f"in {func!r}, as given to Hub.on_error()")

    def _print(self, exception: BaseException, context: str) -> None:
        try:
            exception.add_note(f"({context})")
            sys.excepthook(type(exception), exception, exception.__traceback__)
        except BaseException as error:
            print(
                f"gleenlet: {type(exception).__name__} {context} cannot be printed: {type(error).__name__}",
                file=sys.stderr,
            )

    def _ended(self) -> None:
        """Tell who waits for this hub in another thread, and so is not dropped with it."""
        while self.farewells:
            farewell, _ = self.farewells.popitem()
            farewell()
        if self._own_context is not None and (never := [task.name for task in self.tasks() if task.greenlet is None]):
            warnings.warn(
                f"{', '.join(never)}: spawned in a thread that has ended and ran no loop, so nothing ever ran it; to "
                "start a task on the application's loop call from_thread(func), or give spawn to its "
                "Hub.call_soon_threadsafe()",
                RuntimeWarning,
                stacklevel=2,
            )
        self._leave_context()

    def _leave_context(self) -> None:
        context, self._own_context = self._own_context, None
        if context is not None:
            drop_context(context)

    def _safe_point(self) -> None:
        """Called for its beginning, where Python runs what `sys.remote_exec` has left for it."""

    def _complain(self, foreign: bool) -> None:
        if foreign:
            names = ", ".join(task.name for task in self.tasks()[:3])
            text = (
                f"tasks of one thread ({names}) wait for a main context that another thread now runs; start them from "
                "that thread, with from_thread() or Hub.call_soon_threadsafe()"
            )
        else:
            text = (
                f"a main loop runs inside a task ({where()[1]}): all tasks wait until it ends; "
                "call what runs it with run_outside(), or make it a wait with cooperative_loops()"
            )
        warnings.warn(text, RuntimeWarning, stacklevel=2)


def _raise(exception: BaseException) -> None:
    raise exception


def get_hub() -> Hub:
    """Return the hub of this thread and its thread-default context, made at first use.

    A thread that has no context, and does not run the default one, gets one of its own: that is the application's.

    Raises: GleenletError: this thread's stack is too small, or it is used up too far already.
    Thread: any; each has its own.

    >>> get_hub() is get_hub()
    True
    """
    return cast(Hub, _native.get_hub())


_native.on_missing_hub(Hub)

# When a thread has ended, greenlet asks the collector who refers to its main greenlet, and takes the last reference
# away if it hears of nobody. Asked by a finalizer, in a collection, it does not hear of what that has set aside and
# visits next: SIGSEGV (docs/upstream/greenlet-threads.md). It is meant for what greenlets that are never resumed hold;
# hubs end theirs.
enable_optional_cleanup(False)


def all_hubs() -> list[Hub]:
    """The open hubs of all threads. Thread: any."""
    return [hub for reference in _made.valuerefs() if (hub := reference()) is not None and not hub.closed]


def in_its_thread(hub: Hub, func: Callable[..., object], /, *args: Any) -> bool:
    """Call `func(*args)` in the hub's thread: now, or soon if this is another one; False if the hub has ended."""
    if hub.thread == get_ident() and not hub.closed:
        func(*args)
        return True
    try:
        hub.call_soon_threadsafe(func, *args)
    except GleenletError:
        return False
    return True


@atexit.register
def _close_all() -> None:
    """What still waits when the interpreter exits is abandoned, as daemon threads are."""
    _native.exit()

"""Where GStreamer calls run: what may take its time in a thread of its own, and nothing in a streaming thread.

Knows nothing of pipelines.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from gleenlet import Cancelled, GleenletError, Hub, get_hub
from gleenlet._core import Waiter, get_ident, in_its_thread

T = TypeVar("T")


def in_thread(func: Callable[[], T], timeout: float | None = None, grace: float = 0) -> T:
    """Run `func` in a thread of its own and wait for its end.

    The thread is no pool's: an element that never returns must not take a place from others, nor keep the
    interpreter from exiting.

    Args:
        timeout: seconds; then `TimeoutError` is raised here, and `func` goes on by itself.
        grace: seconds that a caller cancelled meanwhile still waits. Then `func` goes on by itself.
    """
    hub = get_hub()
    # Not wait_future(): it does not wait for what has ended by then, so where waiting is refused only luck would tell.
    waiter = Waiter(timeout, func, "GStreamer thread")
    ended = False

    def run() -> None:
        outcome: Any
        try:
            succeeded, outcome = True, func()
        except BaseException as error:
            succeeded, outcome = False, error
        in_its_thread(hub, settle, succeeded, outcome)

    def settle(succeeded: bool, outcome: Any) -> None:
        nonlocal ended
        ended = True
        (waiter.wake if succeeded else waiter.throw)(outcome)

    threading.Thread(target=run, name="gleenlet.gst", daemon=True).start()
    try:
        return cast(T, waiter.wait())
    except Cancelled:
        if grace and not ended:
            waiter = Waiter(grace, func, "GStreamer thread")
            with contextlib.suppress(TimeoutError, Cancelled):
                waiter.wait()
        raise


def in_thread_without_loop(func: Callable[[], object], grace: float) -> None:
    """The same where the loop has ended: for what must be done all the same. The thread waits, for `grace` seconds."""
    ended = threading.Lock()
    ended.acquire()

    def run() -> None:
        try:
            func()
        finally:
            ended.release()

    threading.Thread(target=run, name="gleenlet.gst", daemon=True).start()
    # Not join(): it asks which thread this is, and where this one is ending that makes a new one of Python's.
    ended.acquire(timeout=grace)


def check_thread(hub: Hub, what: str) -> None:
    """Refuse to wait in a streaming thread, or in any other than the loop's.

    Raises: GleenletError: it names the thread, and what to write.
    """
    if get_ident() == hub.thread:
        return
    thread = threading.current_thread()
    if not thread.name.startswith("Dummy-"):  # what Python calls a thread that it has not started
        raise GleenletError(
            f"{what} was called in the thread {thread.name!r}, not in that of the pipeline's loop: "
            "enter that one, with from_thread()"
        )
    raise GleenletError(
        f"{what} was called in GStreamer's streaming thread {thread_name()!r}, which it would wait for: it stands "
        "still until this callback returns. Return, and have a task do it, "
        "here: p.hub.call_soon_threadsafe(spawn, function)"
    )


def thread_name() -> str:
    """Return what debuggers and `top -H` call this thread; GStreamer's have an element's and a pad's name."""
    with open(f"/proc/self/task/{threading.get_native_id()}/comm") as file:
        return file.read().rstrip("\n")

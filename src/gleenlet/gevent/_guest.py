"""gevent on GLib's main loop: everything of gevent's runs inside whatever GLib loop the program has.

gevent's hub becomes a guest: it runs libev's loop as always, but where libev would wait it is suspended, and
a GLib source resumes it (native/libev). GLib's own loop is untouched, so `Gtk.Application.run()`,
`GLib.MainLoop().run()` and nested loops work as they are; where no loop runs, whatever waits in gevent drives
GLib's default context meanwhile.

It knows gevent and the core's Waiter; the core knows nothing of it.
"""

from __future__ import annotations

import _thread
import functools
import os
import sys
import warnings
from _thread import get_native_id
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from gi.repository import GLib  # _libev takes GLib from the library that this loads
from greenlet import getcurrent

try:
    from gevent.libev import corecext
except ImportError as error:
    raise ImportError(
        'gleenlet.gevent needs gevent with its compiled libev loop: pip install "gleenlet[gevent]"'
    ) from error

from gleenlet._core import GleenletError, UnsafeSwitchError, Waiter, check_descriptors, get_hub, user_frame
from gleenlet.gevent import _libev

if TYPE_CHECKING:
    from gevent.hub import Hub

__all__ = ["GLibLoop", "install", "run"]

P = ParamSpec("P")
T = TypeVar("T")

NEEDED = 8  # descriptors; libev's loop takes some of them
SLICE = 0.001  # seconds gevent may run callbacks before GLib is looked at; its own 0.005 halves a 60 Hz timer


class GLibLoop(corecext.loop):  # type: ignore[misc]  # gevent is not typed
    """gevent's loop inside GLib's: `GEVENT_LOOP=gleenlet.gevent.GLibLoop`, or `install()`.

    Only the main thread's default loop is inside GLib's default context. The loops of other threads, loops
    made by hand, and all loops in a forked child are gevent's plain ones.
    """

    __module__ = "gevent.libev.corecext"  # gevent.core takes all its names from the module of the configured loop

    attached = False  # is this the loop that GLib serves?
    broken = False
    held = 0  # how often by hold(), of what libev counts as active
    breaking: Any = None  # the callback that breaks once more: see thrown()
    before: Any = None  # the plain loop object that install() found

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        check_descriptors(NEEDED)  # libev ends the process where it finds none, in here
        return super().__new__(cls, *args, **kwargs)  # type: ignore[no-any-return]

    def __init__(self, flags: Any = None, default: bool | None = None, ptr: int = 0) -> None:
        super().__init__(flags, default, ptr)
        if self.default and get_native_id() == os.getpid():
            _attach(self)

    def run(self, nowait: bool = False, once: bool = False) -> None:
        """Run libev's loop. In the hub it ends only if GLib cannot wake it either (LoopExit).

        Raises:
            GleenletError: the hub waits in this loop; libev cannot run it once more meanwhile, and would abort.
        """
        if self.attached and _libev.is_parked():
            raise GleenletError(
                "gevent's hub waits in this loop already. It runs whenever GLib's loop does: do not run it by hand"
            )
        if nowait or once or not self.attached or getcurrent() is not self.error_handler:
            super().run(nowait, once)
            return
        _use_slot(self.error_handler)
        _libev.join(self.error_handler)
        while True:
            self.broken = False
            super().run()
            if self.breaking is not None:
                self.breaking.stop()
                self.breaking = None
            if self.broken or not self.attached:
                _libev.release(True)
                return
            if not _libev.glib_alive() and not _workers():
                return
            self.hold()  # libev has nothing left to wait for, GLib has
            try:
                super().run(once=True)
            finally:
                if self.ptr:
                    self.let_go()

    def hold(self) -> None:
        """Have libev's loop go on with nothing to wait for."""
        self.ref()
        self.held += 1

    def let_go(self) -> None:
        self.unref()
        self.held -= 1

    def break_(self, *how: int) -> None:
        self.broken = True
        super().break_(*how)

    def destroy(self) -> None:
        if self.attached:
            self.attached = False
            _libev.release(False)
        super().destroy()


def _touching(name: str) -> Callable[..., Any]:
    """A method that starts something: outside the hub's turn, it needs a turn for that. `timer` does so in C."""
    start: Callable[..., Any] = getattr(corecext.loop, name)

    @functools.wraps(start)
    def method(*args: Any, **kwargs: Any) -> Any:
        _libev.touch()
        return start(*args, **kwargs)

    return method


for _name in ("io", "signal", "child", "async_", "stat", "idle"):
    setattr(GLibLoop, _name, _touching(_name))


def install() -> None:
    """Make gevent use GLib's loop in this process. Call it before anything of gevent's has waited.

    Raises:
        GleenletError: gevent's hub runs already, on another loop.
    """
    import gevent
    from gevent._hub_local import get_hub_if_exists

    hub = get_hub_if_exists()
    if hub is not None and not isinstance(hub.loop, GLibLoop):
        if hub or type(hub.loop) is not corecext.loop or not hub.loop.default:
            raise GleenletError(
                f"gevent already runs on {type(hub.loop).__module__}, so it cannot move to GLib's loop. "
                "Call gleenlet.gevent.install() in the main thread before anything of gevent's waits, "
                "or start the program with GEVENT_LOOP=gleenlet.gevent.GLibLoop"
            )
        # Made by an import, for a lock of a patched module, and not started. libev has one default loop: both
        # objects stand for it, and what the first one has queued still runs.
        before = hub.loop
        hub.loop = GLibLoop(flags=hub.backend, default=True)
        hub.loop.before = before
    gevent.config.loop = GLibLoop


def run(main: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Install the loop, call `main`, which runs a GLib loop, and return its result: `run(app.run, argv)`.

    Where gevent throws an error into the main greenlet (KeyboardInterrupt or SystemExit in a greenlet, a
    destroyed hub), `main`'s object is told to `quit()`, and the error is raised here when its loop has ended.

    Raises:
        GleenletError: gevent's hub exists already, on another loop.
    """
    install()
    entry = _Run(getattr(getattr(main, "__self__", None), "quit", None))
    _runs.append(entry)
    try:
        result = main(*args, **kwargs)
    finally:
        _runs.remove(entry)
    if entry.error is not None:
        raise entry.error
    return result


class _Run:
    def __init__(self, quit: Callable[[], object] | None) -> None:
        self.quit = quit
        self.error: BaseException | None = None


_runs: list[_Run] = []
_waits: dict[Waiter, Any] = {}  # of gevent's greenlets in the core, and what they wait with
_loop: GLibLoop | None = None
_slot: bool | None = None  # does compiled code reach our Hub.switch through its table? None: not tried yet


# ---- what _libev calls ----


def find_hub() -> Hub | None:
    """The hub of the attached loop, if there is one."""
    from gevent._hub_local import get_hub_if_exists

    hub = get_hub_if_exists()
    if hub is None or hub.loop is not _loop:
        return None
    # Made in a task, or in any greenlet, it is that one's child, and with it all of gevent's: they would work for the
    # task, be cancelled with it, and end with it. It is the thread's.
    while hub.parent.parent is not None:
        hub.parent = hub.parent.parent
    return hub


def thrown(error: BaseException) -> None:
    """Somebody threw into the suspended hub (HubDestroyed, mostly): as an error in a callback of its."""
    if _loop is not None:
        _loop.handle_error(_loop, type(error), error, error.__traceback__)
        if _loop.broken:
            # libev forgets a break that comes while it waits, unless it was built without assertions.
            _loop.breaking = _loop.run_callback(_loop.break_)


def stray(error: BaseException) -> None:
    """The hub threw into the greenlet that runs GLib's loop, where nothing waits for gevent."""
    if _runs and _runs[-1].quit is not None:
        entry = _runs[-1]
        entry.error = entry.error or error
        _runs[-1].quit()
    elif isinstance(error, SystemExit):
        raise error  # ends the process, as PyGObject does when a callback raises it
    else:
        sys.excepthook(type(error), error, error.__traceback__)


def wait_in_core() -> object:
    """A greenlet that GLib's loop or the core runs waits for gevent: `hub.switch()` not in the hub's turn."""
    try:
        return Waiter(None, find_hub(), "gevent").wait()  # which it may switch back from by hand
    except UnsafeSwitchError:
        pass
    where, name = _caller()
    raise _blocking_error()(
        f"Impossible to call blocking function in a GLib callback: {where}.\n"
        f"The loop cannot go on before it returns. Wait in a greenlet instead: gevent.spawn({name})"
    )


def wait_in_gevent(waiter: Waiter) -> None:
    """A greenlet of gevent's waits in the core: as gevent waits."""
    from gevent.hub import Waiter

    hub = find_hub()
    assert hub is not None
    while not waiter.done:
        _waits[waiter] = ours = Waiter(hub)
        hub.loop.hold()  # no LoopExit while it waits for GLib
        try:
            ours.get()
        finally:
            del _waits[waiter]
            hub.loop.let_go()


def woken(waiter: Waiter) -> None:
    """It has an outcome."""
    ours = _waits.get(waiter)
    if ours is not None:
        ours.hub.loop.run_callback(ours.switch, None)


def refuse_wait() -> None:
    """A greenlet of gevent's wants to wait with a C callback on its stack."""
    where, name = _caller()
    raise _blocking_error()(
        f"gevent was asked to wait in a callback: {where}.\n"
        "Switching away here would move C frames that GObject still points to.\n"
        f"Wait in a greenlet instead: connect(..., lambda *args: gevent.spawn({name}, *args))"
    )


def _caller() -> tuple[str, str]:
    """The innermost function that is neither gevent's nor ours: where it is, and its name."""
    frame, _ = user_frame(("gevent",))
    code = frame.f_code
    return f"{code.co_qualname} ({os.path.basename(code.co_filename)}:{frame.f_lineno})", code.co_name


def paused(_: None) -> None:
    """Said once, when the hub cannot be resumed from where GLib's loop runs now."""
    warnings.warn(
        "gevent is paused: a GLib loop runs deeper in the stack than gevent's greenlets begin, or inside a "
        "signal handler of one of them. It goes on when that loop ends",
        RuntimeWarning,
        stacklevel=2,
    )


@functools.cache
def _blocking_error() -> type[BaseException]:
    from gevent.exceptions import BlockingSwitchOutError as GeventError

    class BlockingSwitchOutError(UnsafeSwitchError, GeventError):  # type: ignore[misc]
        __doc__ = UnsafeSwitchError.__doc__

    return BlockingSwitchOutError


# ---- setting up ----


def _attach(loop: GLibLoop) -> None:
    global _loop
    import gevent.hub

    if type(gevent.hub.Hub.__dict__.get("switch")).__name__ != "method_descriptor":
        _libev.use_method(gevent.hub.Hub, "switch")
    # The core's floor is found while the stack is shallow.
    _libev.attach(loop, loop.ptr, loop._callbacks, get_hub())
    if not _waits_with_epoll(loop):
        _libev.release(False)
        warnings.warn(
            f"libev waits with {loop.backend!r} here, not with epoll: GLib stands still while gevent waits. "
            "Unset GEVENT_BACKEND",
            RuntimeWarning,
            stacklevel=3,
        )
        return
    loop.attached = True
    _loop = loop
    # gevent compares its clock with this once in 50 callbacks, and leaves the rest for after GLib's turn. It asks
    # before each series of callbacks; no function that returns a float is cheaper than a float's own.
    corecext.getswitchinterval = SLICE.conjugate


def _waits_with_epoll(loop: Any) -> bool:
    """Let `loop` wait once, for no time; was that seen?"""
    before = _libev.waits()
    corecext.loop.run(loop, nowait=True)
    return _libev.waits() > before


def _use_slot(hub: Any) -> None:
    global _slot
    if _slot is None:
        from gevent._greenlet_primitives import TrackedRawGreenlet
        from gevent._hub_primitives import WaitOperationsGreenlet
        from gevent._waiter import Waiter

        table = WaitOperationsGreenlet.__dict__.get("__pyx_vtable__")
        offset = TrackedRawGreenlet.__basicsize__
        _slot = table is not None and _libev.use_slot(hub, offset, table, Waiter(hub).get)


def _workers() -> bool:
    """Does a thread of GLib's own run (D-Bus, Gio's pool, signals)? What it will bring is no source yet."""
    while True:
        own, unnamed = "", False
        threads = [_stat(folder) for folder in Path("/proc/self/task").iterdir()]
        for number, name, _, _ in threads:
            if name.startswith(("gdbus", "gmain", "pool")):
                return True
            if number == _thread.get_native_id():  # not threading's: gevent replaces that
                own = name
        for number, name, state, ticks in threads:
            # A thread has its maker's name until it has run a moment: who has run for longer, or sleeps, keeps it.
            if name == own and number != _thread.get_native_id() and state in "RD" and ticks <= 1:
                unnamed = True
        if not unnamed:
            return False
        GLib.usleep(1000)


def _stat(folder: Path) -> tuple[int, str, str, int]:
    """A thread's number, name, state, and how long it has run, in the kernel's ticks."""
    try:
        text = (folder / "stat").read_text()
    except OSError:  # it has ended
        return 0, "", "X", 0
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return int(folder.name), name, fields[0], int(fields[11]) + int(fields[12])


def _start() -> None:
    _libev.setup(corecext.__file__, sys.modules[__name__], corecext.loop)
    loop = corecext.loop(default=False)
    try:
        _libev.find_head(loop._callbacks, loop.run_callback(int))
        if not _waits_with_epoll(loop):
            raise ImportError(
                f"libev's wait was not seen, with its backend {loop.backend!r}: gleenlet.gevent needs epoll"
            )
    finally:
        loop.destroy()
    _libev.use_method(GLibLoop, "timer")
    os.register_at_fork(after_in_child=_libev.forked)


_start()

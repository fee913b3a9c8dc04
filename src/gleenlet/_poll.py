"""Descriptors of one hub: one epoll, one registration a descriptor, armed once a wait.

GLib polls each of its descriptors at every iteration; ten thousand idle ones would cost every busy one. So they
are in an epoll of our own, and GLib polls that. EPOLLONESHOT keeps a descriptor silent when nobody waits, and
arming it again at each wait tells whether the number still means the same open file (epoll(7), "Questions and
answers", 6).
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable
from typing import Protocol

from gleenlet._core import Waiter

_FAILED = select.EPOLLERR | select.EPOLLHUP


class HasFileno(Protocol):
    """A socket, file or anything else with a descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""


class _Watch:
    """Who waits for one descriptor, for each direction."""

    __slots__ = ("readers", "writers")

    def __init__(self) -> None:
        self.readers: list[Waiter] = []
        self.writers: list[Waiter] = []

    def mask(self) -> int:
        return (select.EPOLLIN if self.readers else 0) | (select.EPOLLOUT if self.writers else 0)


class Poller:
    """The epoll of one hub; made when the first descriptor is waited for."""

    def __init__(self, watch_fd: Callable[[int], None]) -> None:
        self._watch_fd = watch_fd
        self._epoll: select.epoll | None = None
        self._watches: dict[int, _Watch] = {}
        self._nested: dict[int, Callable[[], object]] = {}
        self._sweep_at = 1024

    def wait(self, file: int | HasFileno, event: int, timeout: float | None) -> None:
        fd = file if isinstance(file, int) else _fileno(file)
        if fd < 0:
            raise ValueError(f"descriptor {fd} is not open")
        waiter = Waiter(timeout)
        epoll = self._epoll or self._open()
        watch = self._watches.get(fd)
        if watch is None:
            watch = self._watches[fd] = _Watch()
        waiters = watch.readers if event == select.EPOLLIN else watch.writers
        waiters.append(waiter)
        try:
            try:
                epoll.modify(fd, watch.mask() | select.EPOLLONESHOT)
            except OSError as error:
                self._register(fd, watch, waiter, error)
            waiter.wait()
        finally:
            if waiter in waiters:
                waiters.remove(waiter)
            if len(self._watches) > self._sweep_at:
                self._forget_closed()

    def _register(self, fd: int, watch: _Watch, waiter: Waiter, error: OSError) -> None:
        """Add a descriptor that epoll does not know: new, or its number was given to another file."""
        assert self._epoll is not None
        if error.errno == errno.ENOENT:
            for other in [*watch.readers, *watch.writers]:
                if other is not waiter:
                    other.throw(OSError(errno.EBADF, f"descriptor {fd} was closed while a task waited for it"))
            try:
                self._epoll.register(fd, watch.mask() | select.EPOLLONESHOT)
                return
            except OSError as second:
                error = second
        self._watches.pop(fd, None)
        if error.errno == errno.EPERM:
            raise ValueError(
                f"descriptor {fd} cannot be waited for: epoll takes no regular files, they are always ready; "
                "use call(file.load_contents_async) or to_thread()"
            ) from None
        if error.errno == errno.EBADF:
            raise ValueError(f"descriptor {fd} is not open") from None
        raise error

    def nest(self, fd: int, func: Callable[[], object]) -> None:
        """Have `func()` called whenever something new becomes ready in another epoll, `fd`; registered once."""
        self._watches.pop(fd, None)  # of another file that had the number before
        self._nested[fd] = func
        (self._epoll or self._open()).register(fd, select.EPOLLIN | select.EPOLLET)

    def unnest(self, fd: int) -> None:
        if self._nested.pop(fd, None) is not None and self._epoll is not None:
            try:
                self._epoll.unregister(fd)
            except OSError:
                pass  # closed already

    def poll(self) -> None:
        """Wake the tasks whose descriptors are ready."""
        if self._epoll is None:
            return
        for fd, events in self._epoll.poll(0, 256):
            watch = self._watches.get(fd)
            if watch is None:
                if fd in self._nested:
                    self._nested[fd]()
                continue
            if events & (select.EPOLLIN | _FAILED):
                for waiter in watch.readers:
                    waiter.wake()
                watch.readers.clear()
            if events & (select.EPOLLOUT | _FAILED):
                for waiter in watch.writers:
                    waiter.wake()
                watch.writers.clear()
            if watch.readers or watch.writers:
                self._epoll.modify(fd, watch.mask() | select.EPOLLONESHOT)

    def _open(self) -> select.epoll:
        self._epoll = select.epoll()
        self._watch_fd(self._epoll.fileno())
        return self._epoll

    def _forget_closed(self) -> None:
        """Drop closed descriptors; the next sweep comes when there are twice as many as are left."""
        for fd in [fd for fd, watch in self._watches.items() if not watch.mask()]:
            try:
                os.fstat(fd)
            except OSError:
                del self._watches[fd]
        self._sweep_at = max(1024, 2 * len(self._watches))

    def reset(self) -> None:
        """Start afresh in a forked child, whose epoll is its parent's too."""
        if self._epoll is not None:
            self._watch_fd(-1)
            self._epoll.close()
            self._epoll = None
            self._watches.clear()
            self._nested.clear()


def _fileno(file: HasFileno) -> int:
    try:
        return file.fileno()
    except AttributeError:
        raise TypeError(f"a descriptor or an object with fileno() is needed, not {type(file).__name__}") from None

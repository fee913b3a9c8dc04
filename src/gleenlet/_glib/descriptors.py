"""Wait for descriptors: sockets, pipes, anything that can be polled."""

from __future__ import annotations

from typing import Protocol

from gleenlet._core import wait_fd

__all__ = ["wait_readable", "wait_writable"]


class HasFileno(Protocol):
    """A socket, file or anything else with a descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""


def wait_readable(file: int | HasFileno, timeout: float | None = None) -> None:
    """Wait until a descriptor can be read without blocking, or is at its end.

    Args:
        file: a descriptor, or an object with `fileno()`. Keep it open meanwhile; several tasks may wait
            for one, all wake up.
        timeout: seconds, None for no limit.

    Raises:
        ValueError: it is closed or cannot be polled (a regular file); `timeout` is negative or NaN.
        TimeoutError: not ready within `timeout` seconds.
        OSError: EBADF: its number was given to another file meanwhile.
        Cancelled, UnsafeSwitchError: as in `sleep`.

    Thread: any; it blocks the caller's task, or drives the loop at top level.

    >>> import socket
    >>> one, other = socket.socketpair()
    >>> _ = one.send(b"x"); wait_readable(other)
    >>> one.close(); other.close()
    """
    wait_fd(file, False, timeout)


def wait_writable(file: int | HasFileno, timeout: float | None = None) -> None:
    """Wait until a descriptor can be written without blocking; as `wait_readable`.

    >>> import socket
    >>> one, other = socket.socketpair()
    >>> wait_writable(one)
    >>> one.close(); other.close()
    """
    wait_fd(file, True, timeout)

"""FileDescriptor: an open descriptor with one owner, closed exactly once."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Protocol, Self


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class FileDescriptor:
    """An open descriptor that this object owns: `close()`, the end of a `with` or of the object closes it, once.

    Args:
        fd: the descriptor; it is this object's from now on. `FileDescriptor.dup(file)` leaves the original alone.

    As an argument or result of a method it is copied into the message and stays yours; what a message brings
    is the receiver's.

    Raises: TypeError: not an int; ValueError: negative.
    Thread: any.

    >>> import os
    >>> reader, writer = map(FileDescriptor, os.pipe())
    >>> with reader, writer:
    ...     os.write(writer.fileno(), b"abc")
    3
    >>> reader
    <FileDescriptor closed>
    """

    __slots__ = ("_fd",)

    _fd: int

    def __init__(self, fd: int) -> None:
        self._fd = -1  # there is nothing to close where the check fails
        if not isinstance(fd, int):
            raise TypeError(f"FileDescriptor takes the number of a descriptor, not {type(fd).__name__}: use dup()")
        if fd < 0:
            raise ValueError(f"a descriptor is 0 or more, not {fd}")
        self._fd = fd

    @classmethod
    def dup(cls, file: int | HasFileno) -> Self:
        """A copy of a descriptor that somebody else owns.

        Raises: OSError: it is closed.

        >>> reader, writer = os.pipe()
        >>> with FileDescriptor.dup(reader) as copy:
        ...     copy.fileno() == reader
        False
        >>> os.close(reader); os.close(writer)
        """
        return cls(os.dup(file if isinstance(file, int) else file.fileno()))

    def fileno(self) -> int:
        """The descriptor, still owned by this object.

        Raises: ValueError: it was closed or detached.
        """
        if self._fd < 0:
            raise ValueError("this FileDescriptor was closed or detached")
        return self._fd

    def detach(self) -> int:
        """Give the descriptor away: who called this closes it.

        Raises: ValueError: it was closed or detached.

        >>> import os
        >>> reader, writer = map(FileDescriptor, os.pipe())
        >>> with os.fdopen(writer.detach(), "w") as file: file.write("abc")
        3
        """
        fd, self._fd = self.fileno(), -1
        return fd

    def close(self) -> None:
        """Close the descriptor; once more does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        self.fileno()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<FileDescriptor {self._fd if self._fd >= 0 else 'closed'}>"

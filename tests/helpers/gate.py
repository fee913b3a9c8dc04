"""Child processes that begin when a test says so."""

from __future__ import annotations

import os
import signal
from types import TracebackType
from typing import Self

__all__ = ["Gate"]


class Gate:
    """Children that wait in `read line` until it opens, one for each time."""

    def __enter__(self) -> Self:
        self.reader, self.writer = os.pipe()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        os.close(self.reader)
        os.close(self.writer)

    def start(self, script: str) -> int:
        stdin = [(os.POSIX_SPAWN_DUP2, self.reader, 0)]
        return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ, file_actions=stdin)

    def start_killer(self, number: signal.Signals) -> int:
        """It sends this process the signal after it saw that it sleeps: nothing here runs Python then."""
        pid = os.getpid()
        return self.start(
            f"read line; while ! grep -q '^State:.S' /proc/{pid}/status; do :; done; kill -{number.value} {pid}"
        )

    def open(self) -> None:
        os.write(self.writer, b"\n")

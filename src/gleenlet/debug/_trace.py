"""Traces: what was recorded, in a file for a viewer."""

from __future__ import annotations

import math
import os
from typing import Self

from gleenlet.debug._recording import Recorder
from gleenlet.debug._traces import format_of

__all__ = ["Trace", "trace"]


def trace(file: str | os.PathLike[str], *, megabytes: float = 256.0) -> Trace:
    """Write what tasks do in a `with` block into a file, when it ends, however it ends.

    Args:
        file: its name says the format: .pftrace for ui.perfetto.dev, .json for chrome://tracing, .firefox.json for
            profiler.firefox.com, .syscap for Sysprof.
        megabytes: the most memory meanwhile, 24 bytes an event: of more, the oldest is not in the file.

    Raises: ValueError: the file's name says no format. OSError: it cannot be written.
    Thread: any; the loops of all threads are recorded.

    >>> from gleenlet import run, sleep
    >>> with trace("/tmp/app.pftrace"):
    ...     run(sleep, 0)
    """
    return Trace(os.fspath(file), megabytes)


class Trace:
    """What `trace` returns."""

    def __init__(self, path: str, megabytes: float) -> None:
        self._path = path
        self._megabytes = megabytes
        format_of(path)
        self.lost = 0
        """How many events did not fit, after the block."""

    def __enter__(self) -> Self:
        with open(self._path, "wb"):  # what cannot be written fails now
            pass
        self._recorder = Recorder(math.inf, self._megabytes)
        return self

    def __exit__(self, *exception: object) -> None:
        self._recorder.stop()
        with open(self._path, "wb") as file:
            self.lost = self._recorder.write(file, self._path, self._recorder.first)

"""What was recorded as a file that a trace viewer opens: Perfetto, Chrome, the Firefox Profiler, Sysprof."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from gleenlet.debug._recorder import Event
from gleenlet.debug._traces.chrome import Chrome
from gleenlet.debug._traces.firefox import Firefox
from gleenlet.debug._traces.perfetto import Perfetto
from gleenlet.debug._traces.sysprof import Sysprof
from gleenlet.debug._traces.timeline import Names, Writer, timeline

__all__ = ["FORMATS", "Names", "format_of", "write"]


# By the end of the file's name: the first that fits.
FORMATS: dict[str, type[Writer]] = {
    ".firefox.json": Firefox,
    ".json": Chrome,
    ".pftrace": Perfetto,
    ".syscap": Sysprof,
}


def format_of(path: str) -> type[Writer]:
    """Raises: ValueError: no format's files are named so.

    >>> format_of("app.pftrace").__name__, format_of("app.firefox.json").__name__
    ('Perfetto', 'Firefox')
    """
    for end, kind in FORMATS.items():
        if path.endswith(end):
            return kind
    raise ValueError(f"a trace's name ends with {', '.join(FORMATS)}, which says how it is written; not {path!r}")


def write(file: BinaryIO, kind: type[Writer], events: Iterable[Event], names: Names) -> None:
    writer = kind(file, names)
    for item in timeline(events):
        writer.add(item)
    writer.close()

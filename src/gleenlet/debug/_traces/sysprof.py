"""Sysprof's capture format: marks on CLOCK_MONOTONIC, as GTK's own are, so both can be put into one file and line up.

sysprof-cli --merge gtk.syscap tasks.syscap > both.syscap
"""

from __future__ import annotations

import struct
import time
from typing import BinaryIO

from gleenlet.debug._traces.timeline import Item, Names, Writer, nanoseconds

__all__ = ["Sysprof"]

MAGIC = 0xFDCA975E
VERSION, LITTLE_ENDIAN = 1, 1 << 8
PROCESS, MARK = 4, 10  # SysprofCaptureFrameType
HEADER = struct.Struct("<II64sqq168x")  # end of time and all
FRAME = struct.Struct("<HhiqII")
MARKED = struct.Struct("<q24s40s")
LONGEST = 4096  # bytes of a message; a frame counts its length in 16 bits


class Sysprof(Writer):
    def __init__(self, file: BinaryIO, names: Names) -> None:
        super().__init__(file, names)
        self.begin = self.end = 0.0
        self.header()
        self.frame(PROCESS, names.clocks.get("monotonic", 0.0), encoded(names.program, LONGEST) + b"\0")

    def header(self) -> None:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.names.clocks.get("realtime", 0.0))).encode()
        begin, end = nanoseconds(self.begin), nanoseconds(self.end)
        self.file.write(HEADER.pack(MAGIC, VERSION | LITTLE_ENDIAN, when, begin, end))

    def close(self) -> None:
        self.file.seek(0)  # now that it is known what it spans
        self.header()

    def add(self, item: Item) -> None:
        end = item.begin if item.end is None else item.end
        self.mark(item.begin, end, self.names.of(item.row), self.names.title(item))

    def mark(self, begin: float, end: float, name: str, text: str) -> None:
        self.begin = min(self.begin or begin, begin)
        self.end = max(self.end, end)
        duration = nanoseconds(end) - nanoseconds(begin)
        head = MARKED.pack(duration, b"gleenlet", encoded(name, 39))
        self.frame(MARK, begin, head + encoded(text, LONGEST) + b"\0")

    def frame(self, kind: int, when: float, content: bytes) -> None:
        content += bytes(-len(content) % 8)  # the next one is aligned
        self.file.write(FRAME.pack(FRAME.size + len(content), -1, self.names.pid, nanoseconds(when), kind, 0) + content)


def encoded(text: str, longest: int) -> bytes:
    """Of so many bytes at most, with no character in part."""
    return text.replace("\0", " ").encode("utf-8", "backslashreplace")[:longest].decode("utf-8", "ignore").encode()

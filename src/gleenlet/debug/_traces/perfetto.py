"""Perfetto's protobuf trace: a track a task below its loop's thread, and flows from wake-up to run.

The few messages that it takes are written by hand, so nothing else is needed; their field numbers are those of
perfetto_trace.proto.
"""

from __future__ import annotations

from typing import BinaryIO

from gleenlet.debug._traces.timeline import FRAMES, LOOP, Item, Names, Row, Writer, nanoseconds

__all__ = ["Perfetto"]

MONOTONIC, BOOTTIME, REALTIME = 3, 6, 1  # BuiltinClock
BEGIN, END, INSTANT = 1, 2, 3  # TrackEvent.Type
IN_ORDER = 3  # TrackDescriptor.ChildTracksOrdering.EXPLICIT
NOT_MERGED = 2  # TrackDescriptor.SiblingMergeBehavior.NONE: tasks of one name have a track each
SEQUENCE = 1
PROCESS_TRACK = 1


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def fixed64(field: int, value: int) -> bytes:
    return varint(field << 3 | 1) + value.to_bytes(8, "little")


def message(field: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return varint(field << 3 | 2) + varint(len(content)) + content


def text(field: int, value: str) -> bytes:
    return message(field, value.encode("utf-8", "backslashreplace"))


class Perfetto(Writer):
    def __init__(self, file: BinaryIO, names: Names) -> None:
        super().__init__(file, names)
        self.tracks: dict[Row, int] = {}
        clocks = [(MONOTONIC, "monotonic"), (BOOTTIME, "boottime"), (REALTIME, "realtime")]
        snapshot = [
            message(1, number(1, clock), number(2, nanoseconds(names.clocks[name])))
            for clock, name in clocks
            if name in names.clocks
        ]
        if snapshot:
            self.packet(message(6, *snapshot, number(2, MONOTONIC)))
        process = message(3, number(1, names.pid), text(6, names.program))
        self.packet(message(60, number(1, PROCESS_TRACK), process))

    def add(self, item: Item) -> None:
        track, moment = number(11, self.track(item.row)), item.end is None
        flow = fixed64(47 if moment else 48, item.joint) if item.joint else b""
        said = text(22, item.kind), text(23, self.names.title(item)), flow
        self.event(item.begin, number(9, INSTANT if moment else BEGIN), track, *said)
        if item.end is not None:
            self.event(item.end, number(9, END), track)

    def track(self, row: Row) -> int:
        track = self.tracks.get(row)
        if track is not None:
            return track
        track = self.tracks[row] = len(self.tracks) + PROCESS_TRACK + 1
        if row.task == LOOP:
            name, thread = self.names.thread(row.loop)
            about = message(4, number(1, self.names.pid), number(2, thread), text(5, name))
            self.packet(message(60, number(1, track), number(5, PROCESS_TRACK), about, number(11, IN_ORDER)))
        else:
            above = number(5, self.track(Row(row.loop, LOOP)))
            rank = number(12, 0 if row.task == FRAMES else min(row.task, 0x7FFFFFFF))
            own = text(2, "frames" if row.task == FRAMES else self.names.of(row))
            self.packet(message(60, number(1, track), own, above, rank, number(15, NOT_MERGED)))
        return track

    def event(self, time: float, *parts: bytes) -> None:
        self.packet(number(8, nanoseconds(time)), number(58, MONOTONIC), message(11, *parts))

    def packet(self, *parts: bytes) -> None:
        self.file.write(message(1, *parts, number(10, SEQUENCE)))

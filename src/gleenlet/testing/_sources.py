"""The GLib sources of a context, by id: which there are, and when those that wait for a time are due.

GLib has no list of them, but it finds one by its id, and ids are given in order. This file talks to the GLib that
PyGObject has loaded; it knows nothing of tasks.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from gleenlet._core import loaded_library

__all__ = ["Sources", "glib", "interval_us", "name_of"]

# GSource's fields are public; GTimeoutSource's own follow them (glib/gmain.c).
FUNCS_OFFSET, OWN_FIELDS = 2 * ctypes.sizeof(ctypes.c_void_p), 12 * ctypes.sizeof(ctypes.c_void_p)


@functools.cache
def glib() -> Any:
    """GLib's functions that this file needs, with their types."""
    library: Any = loaded_library("glib-2.0")
    pointer, uint, text, int64 = ctypes.c_void_p, ctypes.c_uint, ctypes.c_char_p, ctypes.c_int64
    for name, result, *arguments in (
        ("g_main_context_default", pointer),
        ("g_main_context_get_thread_default", pointer),
        ("g_main_context_find_source_by_id", pointer, pointer, uint),
        ("g_idle_source_new", pointer),
        ("g_timeout_source_new", pointer, uint),
        ("g_timeout_source_new_seconds", pointer, uint),
        ("g_source_attach", uint, pointer, pointer),
        ("g_source_destroy", None, pointer),
        ("g_source_ref", pointer, pointer),
        ("g_source_unref", None, pointer),
        ("g_source_get_ready_time", int64, pointer),
        ("g_source_set_ready_time", None, pointer, int64),
        ("g_source_get_name", text, pointer),
        ("g_source_get_priority", ctypes.c_int, pointer),
        ("g_source_set_priority", None, pointer, ctypes.c_int),
        ("g_get_monotonic_time", int64),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


Layout = tuple[Any, int, int]
"""Of a GTimeoutSource's own fields: its interval's type, where the flag says that it counts seconds, and else how many
nanoseconds it counts in."""

LAYOUTS: tuple[Layout, ...] = (
    (ctypes.c_uint, 4, 1_000_000),
    (ctypes.c_uint64, 8, 1),  # GLib 2.90
)


@functools.cache
def layout() -> Layout | None:
    """The one that reads right; None if none does."""
    makers = (
        (glib().g_timeout_source_new, 7, 7_000),
        (glib().g_timeout_source_new, 30_000, 30_000_000),
        (glib().g_timeout_source_new_seconds, 3, 3_000_000),
    )
    sources = [(make(interval), us) for make, interval, us in makers]
    try:
        for candidate in LAYOUTS:
            if all(is_timeout(source) and read(source, candidate) == us for source, us in sources):
                return candidate
        return None
    finally:
        for source, _ in sources:
            glib().g_source_unref(source)


def read(source: int, fields: Layout) -> int:
    kind, flag, unit_ns = fields
    value: int = kind.from_address(source + OWN_FIELDS).value
    return value * 1_000_000 if ctypes.c_int.from_address(source + OWN_FIELDS + flag).value else value * unit_ns // 1000


def is_timeout(source: int) -> bool:
    table = ctypes.addressof(ctypes.c_char.in_dll(glib(), "g_timeout_funcs"))
    return ctypes.c_void_p.from_address(source + FUNCS_OFFSET).value == table


def interval_us(source: int) -> int | None:
    """The interval of a GTimeoutSource; None if it is none, or its fields are not where we look for them."""
    fields = layout()
    return read(source, fields) if fields is not None and is_timeout(source) else None


def name_of(source: int) -> str:
    name = glib().g_source_get_name(source)
    return name.decode(errors="replace") if name else "GSource"


class Sources:
    """The sources of this thread's context. Thread: the one that runs it."""

    def __init__(self) -> None:
        library = glib()
        self.context = library.g_main_context_get_thread_default() or library.g_main_context_default()
        self.ids: set[int] = set()
        self.seen = 0  # all ids up to here have been looked at
        self.held: list[int] = []

    def find(self, number: int) -> int | None:
        """The address of a source that is attached, good until `let_go`; None if it has gone.

        A source of another thread's may go at any moment: whoever has attached an idle function drops his reference
        when that may have run already. So each has one of ours meanwhile.
        """
        library = glib()
        found: int | None = library.g_main_context_find_source_by_id(self.context, number)
        if found:
            library.g_source_ref(found)
            self.held.append(found)
        return found

    def let_go(self) -> None:
        """Drop the references that `find` and `look` have taken."""
        unref = glib().g_source_unref
        while self.held:
            unref(self.held.pop())

    def look(self) -> dict[int, int]:
        """All that are attached now: id -> address, good until `let_go`."""
        library = glib()
        probe = library.g_idle_source_new()
        last = library.g_source_attach(probe, self.context)
        library.g_source_destroy(probe)
        library.g_source_unref(probe)
        find = self.find
        found = {number: source for number in self.ids if (source := find(number))}
        for number in range(self.seen + 1, last):
            source = find(number)
            if source:
                found[number] = source
        self.seen = last
        self.ids = set(found)
        return found


_known: dict[int, Sources] = {}


def sources_here() -> Sources:
    """The `Sources` of this thread's context; that of the default context is kept, for its ids only grow."""
    made = Sources()
    if made.context != glib().g_main_context_default():
        return made
    return _known.setdefault(made.context, made)

"""Waits for what GLib has: signals, properties, descriptors, children, asynchronous operations. This is its door."""

from gleenlet._glib.children import wait_child
from gleenlet._glib.descriptors import wait_readable, wait_writable
from gleenlet._glib.gio import call
from gleenlet._glib.loops import cooperative_loops
from gleenlet._glib.outside import run_outside
from gleenlet._glib.properties import wait_property
from gleenlet._glib.signals import signals, wait_any_signal, wait_signal
from gleenlet._glib.unix_signals import wait_unix_signal

__all__ = [
    "call",
    "cooperative_loops",
    "run_outside",
    "signals",
    "wait_any_signal",
    "wait_child",
    "wait_property",
    "wait_readable",
    "wait_signal",
    "wait_unix_signal",
    "wait_writable",
]

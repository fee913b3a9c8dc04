"""Where a task may block: wherever only Python and plain C builtins are on its stack.

A callback that C makes through `PyGILState_Ensure` is counted by the probe: there the call is refused.
"""

import ctypes
import re
import sqlite3
from collections.abc import Callable
from typing import Any

from gi.repository import GLib, GObject

import gleenlet

Function = Callable[..., Any]


class Account(GObject.Object):
    balance = GObject.Property(type=int, default=0)


def signal_handler(function: Function) -> None:
    account = Account()
    account.connect("notify::balance", function)
    account.balance = 1


def loop_callback(function: Function) -> None:
    GLib.idle_add(lambda: function() and False)
    gleenlet.sleep(0.01)


def ctypes_callback(function: Function) -> None:
    ctypes.CFUNCTYPE(ctypes.c_int)(function)()


def sqlite_function(function: Function) -> None:
    database = sqlite3.connect(":memory:")
    database.create_function("block", 0, function)
    database.execute("select block()").fetchall()
    database.close()


def sorted_key(function: Function) -> None:
    sorted([1], key=function)


def map_function(function: Function) -> None:
    list(map(function, [1]))


def re_sub(function: Function) -> None:
    re.sub("a", lambda match: str(function(match)), "a")


def dunder_repr(function: Function) -> None:
    class Blocking:
        def __repr__(self) -> str:
            return str(function())

    repr(Blocking())


def dunder_del(function: Function) -> None:
    class Blocking:
        def __del__(self) -> None:
            function()

    Blocking()


def main() -> None:
    places = (loop_callback, signal_handler, ctypes_callback, sqlite_function)
    for place in (*places, sorted_key, map_function, re_sub, dunder_repr, dunder_del):
        outcome = "not called"

        def block(*_: Any) -> int:
            nonlocal outcome
            try:
                gleenlet.sleep(0.001)
                outcome = "works"
            except gleenlet.UnsafeSwitchError:
                outcome = "UnsafeSwitchError"
            return 0

        place(block)
        print(f"{place.__name__.replace('_', ' ')}: {outcome}")


gleenlet.run(main)

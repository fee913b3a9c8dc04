"""Adapter: the hub suspends tasks and resumes them; a new way to wait takes a few lines on it.

Output:
first  says one
second says one
first  says two
second says two
a line from the pipe: hello
"""

import os

from gi.repository import GLib
from greenlet import getcurrent

import gleenlet


def read_line(fd: int) -> str:
    """Wait until `fd` is readable and return what there is, decoded."""
    me = getcurrent()

    def readable(_fd: int, _condition: GLib.IOCondition) -> bool:
        gleenlet.schedule_switch(me, os.read(fd, 1000))
        return False  # GLib drops the source

    GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, fd, GLib.IOCondition.IN, readable)
    data: bytes = gleenlet.get_hub().switch()
    return data.decode().rstrip()


def talk(name: str) -> None:
    for word in ("one", "two"):
        print(name, "says", word)
        gleenlet.sleep(0.02)


def main() -> None:
    read_end, write_end = os.pipe()
    reader = gleenlet.spawn(read_line, read_end)
    talkers = [gleenlet.spawn(talk, name) for name in ("first ", "second")]
    for task in talkers:
        task.join()
    os.write(write_end, b"hello\n")
    print("a line from the pipe:", reader.result())


gleenlet.run(main)

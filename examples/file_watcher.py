"""Watches a folder with Gio.FileMonitor: the events of one emitter, in a for loop that acts on them.

Output:
created note.txt
written note.txt
deleted note.txt
"""

import tempfile

from gi.repository import Gio, GLib

from gleenlet import call, run, signals, spawn

Event = Gio.FileMonitorEvent


def write(file: Gio.File) -> None:
    stream = call(file.create_async, Gio.FileCreateFlags.NONE)
    call(stream.write_bytes_async, GLib.Bytes.new(b"hello"))
    call(stream.close_async)


def main(path: str) -> None:
    folder = Gio.File.new_for_path(path)
    monitor = folder.monitor_directory(Gio.FileMonitorFlags.NONE, None)
    with signals(monitor, "changed") as changes:
        spawn(write, folder.get_child("note.txt"))
        for file, _, event in changes:
            match event:
                case Event.CREATED:
                    print("created", file.get_basename())
                case Event.CHANGES_DONE_HINT:
                    print("written", file.get_basename())
                    call(file.delete_async)  # what is emitted meanwhile waits for the next step
                case Event.DELETED:
                    print("deleted", file.get_basename())
                    break
    monitor.cancel()


with tempfile.TemporaryDirectory() as path:
    run(main, path)

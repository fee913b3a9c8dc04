"""A log viewer: it follows a file that grows, is cut off or replaced, and shows the lines with a word in them.

usage: log_viewer.py FILE
"""

from __future__ import annotations

import sys
from typing import Any

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GLib, Gtk

from gleenlet import call, signals
from gleenlet.gtk import debounced, handler, open_file, tasks_of

LINES = 10_000


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties: Any) -> None:
        super().__init__(title="Log", default_width=640, default_height=480, **properties)
        self.lines: list[str] = []
        self.entry = Gtk.SearchEntry(hexpand=True)
        self.entry.connect("search-changed", self.on_filter)
        self.button = Gtk.Button(label="Open")
        self.button.connect("clicked", self.on_open)
        self.view = Gtk.TextView(editable=False, monospace=True, cursor_visible=False)
        self.state = Gtk.Label(xalign=0, margin_start=6, margin_top=3, margin_bottom=3)
        top, box = Gtk.Box(), Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        top.append(self.entry)
        top.append(self.button)
        for widget in (top, Gtk.ScrolledWindow(child=self.view, vexpand=True), self.state):
            box.append(widget)
        self.set_child(box)

    def open(self, file: Gio.File) -> None:
        self.set_title(file.get_basename() or "Log")
        tasks_of(self).restart("follow", self.follow, file)  # the file before is followed no more

    @handler(when_busy="drop")
    def on_open(self, _button: Gtk.Button) -> None:
        file = open_file(self, title="Follow", filters={"Logs": ["*.log", "*.txt"], "All": ["*"]})
        if file is not None:
            self.open(file)

    def follow(self, file: Gio.File) -> None:
        self.clear()
        place, rest = 0, b""
        monitor = file.monitor_file(Gio.FileMonitorFlags.WATCH_MOVES)
        with signals(monitor, "changed") as changes:
            while True:
                try:
                    data, place, cut = read_from(file, place)
                except GLib.Error as error:  # rotated: the next one is about to come
                    self.state.set_label(error.message)
                    data, place, cut = b"", 0, False
                else:
                    if cut:
                        self.clear()
                        rest = b""
                    *lines, rest = (rest + data).split(b"\n")
                    self.add([line.decode(errors="replace") for line in lines])
                next(changes)  # one, and then what came meanwhile is read at once

    def clear(self) -> None:
        self.lines.clear()
        self.view.get_buffer().set_text("")

    def add(self, lines: list[str]) -> None:
        self.lines += lines
        del self.lines[:-LINES]
        self.show_lines(lines)

    def show_lines(self, lines: list[str]) -> None:
        word, buffer = self.entry.get_text(), self.view.get_buffer()
        shown = [line for line in lines if word in line]
        if shown:
            buffer.insert(buffer.get_end_iter(), "\n".join(shown) + "\n")
            if buffer.get_line_count() > LINES:
                _, cut = buffer.get_iter_at_line(buffer.get_line_count() - LINES)
                buffer.delete(buffer.get_start_iter(), cut)
            mark = buffer.create_mark(None, buffer.get_end_iter(), False)
            self.view.scroll_to_mark(mark, 0, False, 0, 0)
            buffer.delete_mark(mark)
        self.state.set_label(f"{len(self.lines):,} lines")

    @debounced(0.1)
    def on_filter(self, _entry: Gtk.SearchEntry) -> None:
        self.view.get_buffer().set_text("")
        self.show_lines(self.lines)


def read_from(file: Gio.File, place: int) -> tuple[bytes, int, bool]:
    """What is in `file` from `place` on, where it ends, and whether it was cut off before `place`."""
    stream = call(file.read_async)
    try:
        size = call(stream.query_info_async, "standard::size").get_size()
        cut = size < place
        stream.seek(0 if cut else place, GLib.SeekType.SET)
        data = b""
        while chunk := call(stream.read_bytes_async, 1 << 20).get_data():
            data += chunk
        return data, (0 if cut else place) + len(data), cut
    finally:
        stream.close()


class App(Gtk.Application):
    def do_activate(self) -> None:
        window = Window(application=self)
        window.present()
        if len(sys.argv) > 1:
            window.open(Gio.File.new_for_path(sys.argv[1]))


if __name__ == "__main__":
    App(application_id="org.example.Log", flags=Gio.ApplicationFlags.NON_UNIQUE).run()

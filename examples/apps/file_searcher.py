"""A file searcher: the list is filled anew at each keystroke, and the window never stops.

usage: file_searcher.py [FOLDER]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, Gtk

from gleenlet import sleep, to_thread
from gleenlet.gtk import debounced, frame, handler, select_folder, tasks_of

BATCH = 20
SHOWN = 500
SIZE = 500


def walk(folder: str) -> list[str]:
    """Every file below `folder`, by its path from there; in a thread, for the disk may be slow."""
    begin = len(os.path.join(folder, ""))
    return sorted(os.path.join(place, name)[begin:] for place, _, names in os.walk(folder) for name in names)


def matching(paths: list[str], words: list[str]) -> Iterator[list[str]]:
    """Those that have all the words in them, in batches: after each, others may run."""
    for begin in range(0, len(paths), SIZE):
        yield [path for path in paths[begin : begin + SIZE] if all(word in path.lower() for word in words)]


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties: Any) -> None:
        super().__init__(title="Search", default_width=640, default_height=480, **properties)
        self.paths: list[str] = []
        self.found = Gtk.StringList()
        self.entry = Gtk.SearchEntry(hexpand=True, search_delay=0)
        self.entry.connect("search-changed", self.on_search)
        self.button = Gtk.Button(icon_name="folder-open-symbolic")
        self.button.connect("clicked", self.on_folder)
        self.state = Gtk.Label(xalign=0, margin_start=6, margin_top=3, margin_bottom=3)
        factory = Gtk.SignalListItemFactory()
        factory.connect("setup", lambda _, item: item.set_child(Gtk.Label(xalign=0)))
        factory.connect("bind", lambda _, item: item.get_child().set_label(item.get_item().get_string()))
        view = Gtk.ListView(model=Gtk.NoSelection(model=self.found), factory=factory)
        top, box = Gtk.Box(), Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        top.append(self.entry)
        top.append(self.button)
        for widget in (top, Gtk.ScrolledWindow(child=view, vexpand=True), self.state):
            box.append(widget)
        self.set_child(box)

    def open(self, folder: str) -> None:
        tasks_of(self).restart("read", self.read, folder)

    def read(self, folder: str) -> None:
        self.state.set_label(f"reading {folder} ...")
        self.paths = to_thread(walk, folder)
        self.search(self.entry.get_text())

    @handler(when_busy="drop")
    def on_folder(self, _button: Gtk.Button) -> None:
        folder = select_folder(self, title="Search in")
        if folder is not None:
            self.open(folder.get_path() or "/")

    @debounced(0.05)
    def on_search(self, entry: Gtk.SearchEntry) -> None:
        """A keystroke cancels the search for the word before."""
        self.search(entry.get_text())

    def search(self, text: str) -> None:
        count = shown = 0
        for batch in matching(self.paths, text.lower().split()):
            count += len(batch)
            while shown < min(count, SHOWN):  # over those found before, some a frame: each row takes time to draw
                part = batch[shown - count :][:BATCH]
                self.found.splice(shown, min(len(part), self.found.get_n_items() - shown), part)
                shown += len(part)
                frame(self)
            self.state.set_label(f"{count:,} of {len(self.paths):,} files ...")
            sleep(0)  # others first: redraws, keystrokes
        self.found.splice(shown, self.found.get_n_items() - shown, [])
        self.state.set_label(f"{count:,} of {len(self.paths):,} files")


class App(Gtk.Application):
    def do_activate(self) -> None:
        window = Window(application=self)
        window.present()
        window.open(sys.argv[1] if len(sys.argv) > 1 else os.path.expanduser("~"))


if __name__ == "__main__":
    App(application_id="org.gleenlet.FileSearcher", flags=Gio.ApplicationFlags.NON_UNIQUE).run()

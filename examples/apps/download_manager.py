"""A download manager: three at once, each with its progress; cancel, retry, or close the window in the middle.

usage: download_manager.py FOLDER [URL...]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gtk", "4.0")
gi.require_version("Soup", "3.0")
from gi.repository import GLib, Gtk, Soup

from gleenlet import Cancelled, Semaphore, call
from gleenlet.gtk import handler, progress, tasks_of


class Shared:
    """What all downloads of a window share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = Soup.Session(max_conns_per_host=8)
        self.places = Semaphore(3)


class Download(Gtk.ListBoxRow):
    """One line of the list, and the task that fills its file."""

    def __init__(self, url: str, shared: Shared) -> None:
        super().__init__(activatable=False)
        self.url, self.shared = url, shared  # not the window, which holds its rows: neither would ever be freed
        self.file = shared.folder / (url.rpartition("/")[2] or "index.html")
        self.state = Gtk.Label(xalign=0, hexpand=True)
        self.bar = Gtk.ProgressBar(hexpand=True)
        self.button = Gtk.Button(valign=Gtk.Align.CENTER)
        self.button.connect("clicked", self.on_clicked)
        lines = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        for widget in (Gtk.Label(label=self.file.name, xalign=0), self.bar, self.state):
            lines.append(widget)
        box = Gtk.Box(spacing=12, margin_top=6, margin_bottom=6, margin_start=6, margin_end=6)
        box.append(lines)
        box.append(self.button)
        self.set_child(box)

    @handler
    def on_clicked(self, _button: Gtk.Button) -> None:
        if self.button.get_label() == "Cancel":
            self.task.cancel()
        else:
            self.start()

    def start(self) -> None:
        self.task = tasks_of(self).spawn(self.run)  # ends with the row, which ends with the window

    def run(self) -> None:
        self.show_state("waiting for a place", "Cancel")
        try:
            with self.shared.places:
                self.show_state("connecting", "Cancel")
                size = self.fetch()
        except Cancelled:
            self.show_state("cancelled", "Retry")
            raise
        except (GLib.Error, OSError) as error:
            self.show_state(str(getattr(error, "message", error)), "Retry")
        else:
            self.show_state(f"done, {size:,} bytes", "Again")

    def fetch(self) -> int:
        """Write to a file beside, which takes the name when all is there."""
        part, got = self.file.with_name(f"{self.file.name}.part"), 0
        try:
            message = Soup.Message.new_from_uri("GET", GLib.Uri.parse(self.url, GLib.UriFlags.NONE))
            stream = call(self.shared.session.send_async, message)
            if message.get_status() != Soup.Status.OK:
                raise OSError(message.get_reason_phrase())
            total = message.get_response_headers().get_content_length()
            with progress(self.bar) as bar, part.open("wb") as file:  # it pulses as long as there is no fraction
                while chunk := call(stream.read_bytes_async, 1 << 16).get_data():
                    got += file.write(chunk)
                    self.show_state(f"{got:,} bytes", "Cancel")
                    if total:
                        bar.update(got / total)
            part.replace(self.file)
            return got
        finally:
            part.unlink(missing_ok=True)

    def show_state(self, text: str, button: str) -> None:
        self.state.set_label(text)
        self.button.set_label(button)


class Window(Gtk.ApplicationWindow):
    def __init__(self, folder: Path, **properties: Any) -> None:
        super().__init__(title="Downloads", default_width=480, default_height=360, **properties)
        self.shared = Shared(folder)
        self.entry = Gtk.Entry(placeholder_text="https://")
        self.entry.connect("activate", self.on_add)
        self.list = Gtk.ListBox(selection_mode=Gtk.SelectionMode.NONE, vexpand=True)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        box.append(self.entry)
        box.append(Gtk.ScrolledWindow(child=self.list, vexpand=True))
        self.set_child(box)

    @handler
    def on_add(self, entry: Gtk.Entry) -> None:
        self.add(entry.get_text())
        entry.set_text("")

    def add(self, url: str) -> None:
        row = Download(url, self.shared)
        self.list.append(row)
        row.start()


class App(Gtk.Application):
    def do_activate(self) -> None:
        window = Window(Path(sys.argv[1]), application=self)
        window.present()
        for url in sys.argv[2:]:
            window.add(url)


if __name__ == "__main__":
    App(application_id="org.example.Downloads").run()

"""A note that saves itself two seconds after the last key. Closing its window asks, if something is not saved.

Run it with a file's name: `python examples/testing/notes.py note.txt`. Its tests stand beside it.
"""

import sys

import gi

gi.require_version("Gdk", "4.0")
gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GLib, Gtk

from gleenlet import Lock, call, sleep
from gleenlet.gtk import ask, handler

QUIET = 2.0  # seconds without a key, after which the note is saved


class Notes(Gtk.Window):
    def __init__(self, file: Gio.File) -> None:
        super().__init__(title="Notes")
        self.file = file
        self.saved = ""
        self.lock = Lock()
        self.entry, self.save_button, self.state = Gtk.Entry(), Gtk.Button(label="Save"), Gtk.Label()
        box = Gtk.Box(spacing=6)
        for widget in (self.entry, self.save_button, self.state):
            box.append(widget)
        self.set_child(box)
        self.entry.connect("changed", self.save_later)
        self.save_button.connect("clicked", self.save_now)

    @handler(when_busy="restart")
    def save_later(self, _entry: Gtk.Entry) -> None:
        sleep(QUIET)  # the next key begins anew
        self.save()

    @handler(when_busy="drop")
    def save_now(self, _button: Gtk.Button) -> None:
        self.save()

    def save(self) -> None:
        with self.lock:  # one writes at a time
            text = self.entry.get_text()
            self.state.set_text("Saving...")
            call(
                self.file.replace_contents_bytes_async,
                GLib.Bytes.new(text.encode()),
                None,
                False,
                Gio.FileCreateFlags.NONE,
                finish=self.file.replace_contents_finish,
            )
            self.saved = text
            self.state.set_text("Saved" if self.entry.get_text() == text else "")

    def do_close_request(self) -> bool:
        if self.entry.get_text() == self.saved:
            return False
        self.ask_and_close()
        return True

    @handler(when_busy="drop")  # asks once
    def ask_and_close(self) -> None:
        answer = ask(self, "Save this note?", buttons=["_Discard", "_Save"])
        if answer == "_Save":
            self.save()
        if answer is not None:
            self.destroy()


def main() -> None:
    application = Gtk.Application()

    def activate(_: Gtk.Application) -> None:
        window = Notes(Gio.File.new_for_path(sys.argv[1]))
        application.add_window(window)
        window.present()

    application.connect("activate", activate)
    application.run([])


if __name__ == "__main__":
    main()

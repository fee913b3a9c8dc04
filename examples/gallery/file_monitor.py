"""File Monitor: a toast for each change in a folder, whoever makes it."""

import sys
import tempfile

import gi

gi.require_version("Gtk", "4.0")
gi.require_version("Adw", "1")
from gi.repository import Adw, Gio, Gtk

from gleenlet import call, signals
from gleenlet.gtk import handler, show_errors, tasks_of

FOLDER = Gio.File.new_for_path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())


class Window(Adw.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="File Monitor", default_width=400, default_height=200, **properties)
        self.entry = Gtk.Entry(text="Something to write")
        write, delete = Gtk.Button(label="Write"), Gtk.Button(label="Delete")
        write.connect("clicked", self.on_write)
        delete.connect("clicked", self.on_delete)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        for widget in (self.entry, write, delete):
            box.append(widget)
        self.toasts = Adw.ToastOverlay(child=box)
        self.set_content(self.toasts)
        show_errors(self)
        tasks_of(self).spawn(self.watch)

    def watch(self):
        monitor = FOLDER.monitor_directory(Gio.FileMonitorFlags.WATCH_MOVES)
        with signals(monitor, "changed") as changes:
            for file, other, event in changes:
                names = {
                    Gio.FileMonitorEvent.CREATED: f"{file.get_basename()} was created",
                    Gio.FileMonitorEvent.CHANGES_DONE_HINT: f"{file.get_basename()} was written",
                    Gio.FileMonitorEvent.DELETED: f"{file.get_basename()} was deleted",
                    Gio.FileMonitorEvent.RENAMED: f"{file.get_basename()} is {other and other.get_basename()} now",
                }
                if event in names:
                    self.toasts.add_toast(Adw.Toast(title=names[event], timeout=1))

    @handler(when_busy="queue")
    def on_write(self, _button):
        text = self.entry.get_text().encode()
        call(FOLDER.get_child("notes.txt").replace_contents_async, text, None, False, Gio.FileCreateFlags.NONE)

    @handler(when_busy="queue")
    def on_delete(self, _button):
        call(FOLDER.get_child("notes.txt").delete_async)


app = Adw.Application(application_id="org.example.FileMonitor")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

"""Select Folder: shows how many files are in the folder that was chosen."""

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, Gtk

from gleenlet import call
from gleenlet.gtk import busy, handler, select_folder


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="Select Folder", default_width=300, default_height=100, **properties)
        self.status = Gtk.Label(label="Nothing is chosen yet")
        button = Gtk.Button(label="Folder…")
        button.connect("clicked", self.on_select)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        box.append(self.status)
        box.append(button)
        self.set_child(box)

    @handler
    def on_select(self, button):
        folder = select_folder(self)
        if folder is not None:
            with busy(button):
                count = self.count(folder)
            self.status.set_label(f"{folder.get_basename()}: {count} entries")

    def count(self, folder):
        found = call(folder.enumerate_children_async, "standard::name", Gio.FileQueryInfoFlags.NONE)
        count = 0
        while some := call(found.next_files_async, 100):
            count += len(some)
        return count


app = Gtk.Application(application_id="org.example.SelectFolder")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

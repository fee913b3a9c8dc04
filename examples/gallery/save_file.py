"""Save File: asks where, writes there, says so."""

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, Gtk

from gleenlet import call
from gleenlet.gtk import handler, save_file, show_errors


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="Save File", default_width=300, default_height=100, **properties)
        self.status = Gtk.Label(label="Nothing is saved yet")
        button = Gtk.Button(label="Save…")
        button.connect("clicked", self.on_save)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        box.append(self.status)
        box.append(button)
        self.set_child(box)
        show_errors(self, heading="The file was not saved")

    @handler(when_busy="drop")
    def on_save(self, _button):
        file = save_file(self, initial_name="Greeting.txt")
        if file is not None:
            call(file.replace_contents_async, b"Hello!\n", None, False, Gio.FileCreateFlags.NONE)
            self.status.set_label(f"{file.get_basename()} is saved")


app = Gtk.Application(application_id="org.example.SaveFile")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

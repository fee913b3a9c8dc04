"""Open File: one file, one picture, or several files; shows their names."""

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, Gtk

from gleenlet import call
from gleenlet.gtk import handler, open_file, open_files


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="Open File", default_width=300, default_height=160, **properties)
        self.status = Gtk.Label(label="Nothing is chosen yet")
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        box.append(self.status)
        for label, method in (("File…", self.on_file), ("Picture…", self.on_picture), ("Files…", self.on_files)):
            button = Gtk.Button(label=label)
            button.connect("clicked", method)
            box.append(button)
        self.set_child(box)

    @handler(when_busy="drop")
    def on_file(self, _button):
        self.show_names([open_file(self)])

    @handler(when_busy="drop")
    def on_picture(self, _button):
        self.show_names([open_file(self, filters={"Pictures": ["image/*"]})])

    @handler(when_busy="drop")
    def on_files(self, _button):
        self.show_names(open_files(self) or [])

    def show_names(self, files):
        names = [
            call(file.query_info_async, "standard::name", Gio.FileQueryInfoFlags.NONE).get_name()
            for file in files
            if file
        ]
        self.status.set_label("\n".join(names) or "Nothing was chosen")


app = Gtk.Application(application_id="org.example.OpenFile")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

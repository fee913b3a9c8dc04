"""Avatar: a picture of yours, read without stopping the window."""

import gi

gi.require_version("Gtk", "4.0")
gi.require_version("Adw", "1")
from gi.repository import Adw, Gdk, Gtk

from gleenlet import call
from gleenlet.gtk import handler, open_file, show_errors


class Window(Adw.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="Avatar", default_width=300, default_height=200, **properties)
        self.avatar = Adw.Avatar(size=128, text="Nobody", show_initials=True)
        button = Gtk.Button(label="Picture…")
        button.connect("clicked", self.on_choose)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        box.append(self.avatar)
        box.append(button)
        self.set_content(box)
        show_errors(self, heading="The picture was not read")

    @handler(when_busy="drop")
    def on_choose(self, _button):
        file = open_file(self, title="Select a picture", filters={"Pictures": ["image/*"]})
        if file is not None:
            contents = call(file.load_bytes_async)[0]
            self.avatar.set_custom_image(Gdk.Texture.new_from_bytes(contents))


app = Adw.Application(application_id="org.example.Avatar")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

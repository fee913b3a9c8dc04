"""Color Dialog: the label is written in the colour that was chosen."""

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gtk

from gleenlet.gtk import handler, pick_color


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="Color Dialog", default_width=300, default_height=100, **properties)
        self.label = Gtk.Label(label="No colour is chosen yet")
        button = Gtk.Button(label="Colour…")
        button.connect("clicked", self.on_pick)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        box.append(self.label)
        box.append(button)
        self.set_child(box)

    @handler(when_busy="drop")
    def on_pick(self, _button):
        color = pick_color(self, title="Select a colour", alpha=False)
        if color is not None:
            numbers = [round(part * 255) for part in (color.red, color.green, color.blue)]
            code = "#{:02x}{:02x}{:02x}".format(*numbers)
            self.label.set_markup(f'<span color="{code}">{code}</span>')


app = Gtk.Application(application_id="org.example.ColorDialog")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

"""Font Dialog: the label is written in the font that was chosen."""

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk

from gleenlet.gtk import handler, pick_font


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="Font Dialog", default_width=300, default_height=100, **properties)
        self.label = Gtk.Label(label="No font is chosen yet")
        button = Gtk.Button(label="Font…")
        button.connect("clicked", self.on_pick)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        box.append(self.label)
        box.append(button)
        self.set_child(box)

    @handler(when_busy="drop")
    def on_pick(self, _button):
        font = pick_font(self, title="Select a font")
        if font is not None:
            name = GLib.markup_escape_text(font.to_string())
            self.label.set_markup(f'<span font="{name}">{name}</span>')


app = Gtk.Application(application_id="org.example.FontDialog")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

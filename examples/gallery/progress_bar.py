"""Progress Bar: one bar that knows how far it is, one that does not, and the seconds that are left."""

import math
import sys

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gtk

from gleenlet.gtk import animate, busy, handler, progress

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="Progress Bar", default_width=300, default_height=160, **properties)
        self.known, self.unknown = Gtk.ProgressBar(), Gtk.ProgressBar()
        self.left = Gtk.Label(label="Ready")
        play = Gtk.Button(label="Play")
        play.connect("clicked", self.on_play)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        for widget in (self.known, self.unknown, self.left, play):
            box.append(widget)
        self.set_child(box)

    @handler
    def on_play(self, play):
        with busy(play), progress(self.unknown):
            for done in animate(self.known, SECONDS, ease="linear"):
                self.known.set_fraction(done)
                self.left.set_label(f"{math.ceil(SECONDS * (1 - done))} seconds remaining")
        self.left.set_label("Complete")


app = Gtk.Application(application_id="org.example.ProgressBar")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

"""HTTP Image: a picture from the web; closing the window in the middle ends the download."""

import sys

import gi

gi.require_version("Gtk", "4.0")
gi.require_version("Soup", "3.0")
from gi.repository import Gdk, Gtk, Soup

from gleenlet import call
from gleenlet.gtk import show_errors, tasks_of

URL = sys.argv[1] if len(sys.argv) > 1 else "https://picsum.photos/800"


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="HTTP Image", default_width=300, default_height=300, **properties)
        self.picture = Gtk.Picture()
        self.set_child(self.picture)
        show_errors(self, heading="There is no picture")
        tasks_of(self).spawn(self.load)

    def load(self):
        message = Soup.Message.new("GET", URL)
        body = call(Soup.Session().send_and_read_async, message)
        if message.get_status() != Soup.Status.OK:
            raise OSError(message.get_reason_phrase())
        self.picture.set_paintable(Gdk.Texture.new_from_bytes(body))


app = Gtk.Application(application_id="org.example.HTTPImage")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

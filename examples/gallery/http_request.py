"""HTTP Request: the featured article of today's Wikipedia, and again at each click."""

import json
import sys
import time

import gi

gi.require_version("Gtk", "4.0")
gi.require_version("Soup", "3.0")
from gi.repository import Gtk, Soup

from gleenlet import call
from gleenlet.gtk import busy, handler, show_errors

SERVER = sys.argv[1] if len(sys.argv) > 1 else "https://api.wikimedia.org"


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="HTTP Request", default_width=400, default_height=300, **properties)
        self.heading, self.text = Gtk.Label(label="Not read yet"), Gtk.Label(wrap=True, vexpand=True)
        button = Gtk.Button(label="Read")
        button.connect("clicked", self.on_read)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        for widget in (self.heading, self.text, button):
            box.append(widget)
        self.set_child(box)
        show_errors(self, heading="There is no article")

    @handler
    def on_read(self, button):
        with busy(button):
            day = time.strftime("%Y/%m/%d")
            message = Soup.Message.new("GET", f"{SERVER}/feed/v1/wikipedia/en/featured/{day}")
            body = call(Soup.Session().send_and_read_async, message)
        if message.get_status() != Soup.Status.OK:
            raise OSError(message.get_reason_phrase())
        article = json.loads(body.get_data())["tfa"]
        self.heading.set_label(article["titles"]["normalized"])
        self.text.set_label(article["extract"])


app = Gtk.Application(application_id="org.example.HTTPRequest")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

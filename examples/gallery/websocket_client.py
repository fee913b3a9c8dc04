"""WebSocket Client: one handler is the whole connection, from its opening to its end."""

import sys

import gi

gi.require_version("Gtk", "4.0")
gi.require_version("Soup", "3.0")
from gi.repository import Gtk, Soup

from gleenlet import call, signals
from gleenlet.gtk import busy, handler, show_errors

URL = sys.argv[1] if len(sys.argv) > 1 else "wss://ws.postman-echo.com/raw"


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="WebSocket Client", default_width=400, default_height=200, **properties)
        self.log = Gtk.Label(label="Not connected", vexpand=True)
        self.entry = Gtk.Entry(text="Hello", sensitive=False)
        self.close_button = Gtk.Button(label="Disconnect", sensitive=False)
        button = Gtk.Button(label="Connect")
        button.connect("clicked", self.on_connect)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        for widget in (self.log, self.entry, button, self.close_button):
            box.append(widget)
        self.set_child(box)
        show_errors(self, heading="The connection failed")

    @handler
    def on_connect(self, button):
        with busy(button):
            message = Soup.Message.new("GET", URL)
            connection = call(Soup.Session().websocket_connect_async, message, None, [])
            received, entered = (connection, "message"), (self.entry, "activate")
            leaving, closed = (self.close_button, "clicked"), (connection, "closed")
            with signals(received, entered, leaving, closed) as events:
                self.set_connected(True)
                for event in events:
                    match event:
                        case 0, (_kind, text):
                            self.log.set_label(f"received: {text.get_data().decode()}")
                        case 1, _:
                            connection.send_text(self.entry.get_text())
                        case 2, _:
                            connection.close(Soup.WebsocketCloseCode.NORMAL, None)
                        case 3, _:
                            break
            self.set_connected(False)

    def set_connected(self, connected):
        self.log.set_label("connected" if connected else "closed")
        self.entry.set_sensitive(connected)
        self.close_button.set_sensitive(connected)


app = Gtk.Application(application_id="org.example.WebSocketClient")
app.connect("activate", lambda app: Window(application=app).present())
app.run()

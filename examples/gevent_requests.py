"""gevent in a GTK window: `requests`, unmodified, fetches three pages at once while the window keeps drawing.

Monkey patching makes requests and the server cooperative; gleenlet.gevent makes gevent a guest of GTK's loop.

Output:
/0: 13 bytes
/1: 13 bytes
/2: 13 bytes
the window kept drawing: True
"""

from gevent import monkey

monkey.patch_all()

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gi

gi.require_version("Gtk", "4.0")
import gevent
import requests
from gi.repository import Gtk

import gleenlet.gevent


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        while self.clock.get_frame_counter() < 3:  # a slow page: the window has to draw meanwhile
            time.sleep(0.1)
        self.send_response_only(200)
        self.end_headers()
        self.wfile.write(b"Hello, world!")


def fetch_all(app: Gtk.Application, label: Gtk.Label, url: str) -> None:
    Pages.clock = label.get_frame_clock()
    for number, job in enumerate([gevent.spawn(requests.get, f"{url}/{number}") for number in range(3)]):
        label.set_label(f"/{number}: {len(job.get().content)} bytes")
        print(label.get_label())
    print(f"the window kept drawing: {Pages.clock.get_frame_counter() > 1}")
    app.quit()


def activate(app: Gtk.Application) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    gevent.spawn(server.serve_forever)
    label = Gtk.Label(label="fetching")
    label.add_tick_callback(lambda *_: True)  # asks for each frame, also where GTK has switched animations off
    Gtk.ApplicationWindow(application=app, child=label, titlebar=Gtk.Spinner(spinning=True)).present()
    gevent.spawn(fetch_all, app, label, f"http://127.0.0.1:{server.server_port}")


application = Gtk.Application(application_id="org.gleenlet.GeventRequests")
application.connect("activate", activate)
gleenlet.gevent.run(application.run, [])

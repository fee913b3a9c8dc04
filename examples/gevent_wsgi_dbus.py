"""A Flask application on gevent's pywsgi and a D-Bus service in one process: each request asks the service.

The server runs in greenlets, the service in GLib's callbacks; a view waits for its D-Bus reply like any code.

Output:
web: Hello, Ada!
web: Hello, Grace!
the service answered 2 calls
"""

from gevent import monkey

monkey.patch_all()

import urllib.request

import gevent
from flask import Flask
from gevent.event import AsyncResult
from gevent.pywsgi import WSGIServer
from gi.repository import Gio, GLib

import gleenlet.gevent

NAME, PATH = "org.gleenlet.Greeter", "/org/gleenlet/Greeter"
INTERFACE = """<node><interface name='org.gleenlet.Greeter'><method name='Greet'>
<arg type='s' direction='in'/><arg type='s' direction='out'/></method></interface></node>"""

web, bus, calls = Flask(__name__), Gio.bus_get_sync(Gio.BusType.SESSION), []


def greet(_bus, _sender, _path, _interface, _method, arguments, invocation) -> None:  # type: ignore[no-untyped-def]
    calls.append(arguments.unpack()[0])
    invocation.return_value(GLib.Variant("(s)", (f"Hello, {calls[-1]}!",)))


@web.get("/<name>")
def page(name: str) -> str:
    reply: AsyncResult = AsyncResult()
    arguments = GLib.Variant("(s)", (name,))
    bus.call(NAME, PATH, NAME, "Greet", arguments, None, 0, -1, None, lambda _, result: reply.set(result))
    return str(bus.call_finish(reply.get()).unpack()[0])


def visit(server: WSGIServer, loop: GLib.MainLoop) -> None:
    for name in ("Ada", "Grace"):
        print("web:", urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{name}").read().decode())
    print("the service answered", len(calls), "calls")
    loop.quit()


gleenlet.gevent.install()
main_loop = GLib.MainLoop()
Gio.bus_own_name_on_connection(bus, NAME, Gio.BusNameOwnerFlags.NONE, None, None)
bus.register_object(PATH, Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0], greet, None, None)
http = WSGIServer(("127.0.0.1", 0), web, log=None)
http.start()
gevent.spawn(visit, http, main_loop)
gleenlet.gevent.run(main_loop.run)

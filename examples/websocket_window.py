"""A GTK 4 window talks to a local WebSocket server through an asyncio library, from straight-line handlers.

Server and client are the `websockets` library's; the button's handler waits for each answer with `await_`.

Output:
ping 1 -> PONG 1
ping 2 -> PONG 2
ping 3 -> PONG 3
frames were drawn meanwhile: True
"""

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gtk
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve

from gleenlet import green, sleep
from gleenlet.asyncio import await_, to_task


async def answer(connection: ServerConnection) -> None:
    async for message in connection:
        await to_task(sleep, 0.05)  # any function that blocks will do
        await connection.send(str(message).replace("ping", "PONG"))


async def start_server() -> Server:
    return await serve(answer, "127.0.0.1", 0)


@green(when_busy="drop")
def on_clicked(button: Gtk.Button) -> None:
    frames = []
    button.add_tick_callback(lambda *_: frames.append(1) or True)
    server = await_(start_server())
    port = server.sockets[0].getsockname()[1]
    connection = await_(connect(f"ws://127.0.0.1:{port}", proxy=None))
    button.set_label("Connected")
    for number in range(1, 4):
        await_(connection.send(f"ping {number}"))
        print(f"ping {number} -> {await_(connection.recv())}")
    await_(connection.close())
    print("frames were drawn meanwhile:", len(frames) > 1)
    button.get_root().close()


def on_activate(app: Gtk.Application) -> None:
    button = Gtk.Button(label="Connect")
    button.connect("clicked", on_clicked)
    window = Gtk.ApplicationWindow(application=app, title="WebSocket", child=button)
    window.present()
    button.emit("clicked")  # nobody has to click


app = Gtk.Application()
app.connect("activate", on_activate)
app.run()

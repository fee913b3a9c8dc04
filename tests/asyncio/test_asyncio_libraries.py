"""Real asyncio libraries, unmodified, in the handlers of a GTK 4 program."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from child import run_script
from gleenlet import current_task, sleep, spawn
from gleenlet.asyncio import as_future, await_

PROGRAM = """
import asyncio, threading
import gi
gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk
import gleenlet
from gleenlet import current_task, green, sleep, spawn
from gleenlet.asyncio import await_, run, to_task

{work}

frames = []

def activate(app):
    window = Gtk.ApplicationWindow(application=app, title="libraries")
    button = Gtk.Button(label="start")
    window.set_child(button)
    window.add_tick_callback(lambda *_: frames.append(1) or True)

    @green
    def clicked(button):
        try:
            print(work())
            while len(frames) < 2:  # the window lives
                sleep(0.01)
            print("drawn")
        finally:
            app.quit()

    button.connect("clicked", clicked)
    window.present()
    button.emit("clicked")

app = Gtk.Application()
app.connect("activate", activate)
app.run()
"""

AIOHTTP = """
from aiohttp import ClientSession, web

async def hello(request):
    return web.Response(text="hello " + await to_task(slow_name, request.query["name"]))

def slow_name(name):
    sleep(0.001)
    return name

async def serve():
    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner

async def fetch(session, port, name):
    async with session.get(f"http://127.0.0.1:{port}/", params={"name": name}) as response:
        return await response.text()

async def open_session():
    return ClientSession()

def work():
    runner = await_(serve())
    session = await_(open_session())
    port = runner.addresses[0][1]
    tasks = [spawn(await_, fetch(session, port, name)) for name in ("one", "two")]
    texts = [task.result() for task in tasks]
    await_(session.close())
    await_(runner.cleanup())
    return texts
"""

HTTPX = """
import http.server
import socket
import httpx

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass

def work():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = httpx.AsyncClient(trust_env=False)
    response = await_(client.get(f"http://127.0.0.1:{server.server_port}/"))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # never answers
        try:
            await_(client.get(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.05))
        except httpx.ReadTimeout:
            print("ReadTimeout")
    await_(client.aclose())
    server.shutdown()
    return response.status_code, response.text
"""

WEBSOCKETS = """
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

async def echo(connection):
    async for message in connection:
        await connection.send(message.upper())

def work():
    async def start():
        return await serve(echo, "127.0.0.1", 0)

    async def open_connection(port):
        return await connect(f"ws://127.0.0.1:{port}", proxy=None)

    server = await_(start())
    connection = await_(open_connection(server.sockets[0].getsockname()[1]))
    await_(connection.send("hello"))
    reply = await_(connection.recv())
    await_(connection.close())
    server.close()
    await_(server.wait_closed())
    return reply
"""

AIOSQLITE = """
import aiosqlite

async def rows():
    async with aiosqlite.connect(":memory:") as database:
        await database.execute("CREATE TABLE numbers (n INTEGER)")
        await database.executemany("INSERT INTO numbers VALUES (?)", [(1,), (2,)])
        async with database.execute("SELECT n FROM numbers ORDER BY n") as cursor:
            return [n async for (n,) in cursor]

def work():
    return await_(rows())
"""

SQLALCHEMY = """
from sqlalchemy import select
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.util import await_only

class Base(DeclarativeBase):
    pass

class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

async def fill(engine, name):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        session.add(Item(name=name))
        await session.commit()
        names = (await session.scalars(select(Item.name))).all()
        await session.run_sync(block)
        return names

def block(session):
    # On SQLAlchemy's greenlet, inside the loop's task: to block here would stop the loop.
    try:
        sleep(0.001)
    except gleenlet.UnsafeSwitchError:
        print("refused", current_task().name)

def work():
    engines = [create_async_engine("sqlite+aiosqlite://") for _ in range(2)]
    tasks = [spawn(await_, fill(engine, name)) for engine, name in zip(engines, "ab")]
    names = [task.result() for task in tasks]
    coroutine = asyncio.sleep(0)
    try:
        await_only(coroutine)
    except MissingGreenlet:  # a task is no greenlet of SQLAlchemy's
        print("MissingGreenlet")
    coroutine.close()
    for engine in engines:
        await_(engine.dispose())
    return names
"""

DBUS_FAST = """
from dbus_fast.aio import MessageBus

async def open_bus():
    return await MessageBus().connect()

def work():
    bus = await_(open_bus())
    name = "org.freedesktop.DBus"
    introspection = await_(bus.introspect(name, "/org/freedesktop/DBus"))
    interface = bus.get_proxy_object(name, "/org/freedesktop/DBus", introspection).get_interface(name)
    names = await_(interface.call_list_names())
    bus.disconnect()
    return bus.unique_name in names
"""


@pytest.mark.parametrize(
    ("library", "work", "output"),
    [
        ("aiohttp", AIOHTTP, "['hello one', 'hello two']\n"),
        ("httpx", HTTPX, "ReadTimeout\n(200, 'hello')\n"),
        ("websockets", WEBSOCKETS, "HELLO\n"),
        ("aiosqlite", AIOSQLITE, "[1, 2]\n"),
        ("sqlalchemy", SQLALCHEMY, "refused asyncio\nrefused asyncio\nMissingGreenlet\n[['a'], ['b']]\n"),
        ("dbus_fast", DBUS_FAST, "True\n"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_library_works_in_the_handlers_of_a_gtk_program(library: str, work: str, output: str) -> None:
    pytest.importorskip(library)
    outcome = run_script(PROGRAM.replace("{work}", work), display=True, bus=library == "dbus_fast")
    assert outcome.stdout == output + "drawn\n", outcome.stderr
    assert outcome.status == 0, outcome.stderr


@pytest.mark.usefixtures("no_background_loop")
def test_greenlet_spawn_and_tasks_do_not_see_each_others_greenlets() -> None:
    util: Any = pytest.importorskip("sqlalchemy.util")
    from sqlalchemy.exc import MissingGreenlet

    def on_sqlalchemys_greenlet(name: str) -> tuple[str, str]:
        for _ in range(3):
            util.await_only(asyncio.sleep(0.001))
        assert current_task() is asyncio_task
        return name, util.await_only(as_future(spawn(in_a_task, name=name)))

    def in_a_task() -> str:
        coroutine = asyncio.sleep(0)
        with pytest.raises(MissingGreenlet):
            util.await_only(coroutine)
        coroutine.close()
        sleep(0.001)
        return name_of(current_task())

    def name_of(task: Any) -> str:
        return str(task.name)

    async def loops_task() -> object:
        return current_task()

    asyncio_task = await_(loops_task())
    tasks = [spawn(await_, util.greenlet_spawn(on_sqlalchemys_greenlet, name)) for name in ("a", "b", "c")]
    assert [task.result() for task in tasks] == [("a", "a"), ("b", "b"), ("c", "c")]

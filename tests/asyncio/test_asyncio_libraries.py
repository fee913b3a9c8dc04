"""Real asyncio libraries, unmodified, in the handlers of a GTK 4 program."""

from __future__ import annotations

import asyncio
import functools
import http.server
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from child import in_child
from gleenlet import UnsafeSwitchError, current_task, green, sleep, spawn
from gleenlet.asyncio import as_future, await_, to_task


def in_gtk_program(library: str, says: str, **options: Any) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Have a test that prints in the handler of a button run in a child, if the library is there."""

    def decorate(test: Callable[[], None]) -> Callable[[], None]:
        in_its_child = in_child(display=True, says=f"{says}\ndrawn", **options)(test)

        @functools.wraps(test)
        def run() -> None:
            pytest.importorskip(library)
            in_its_child()

        return run

    return decorate


def print_in_handler(work: Callable[[], object]) -> None:
    """Print what `work` returns in the handler of a button, whose window is drawn meanwhile."""
    import gi

    gi.require_version("Gtk", "4.0")
    from gi.repository import Gtk

    frames: list[object] = []

    def activate(app: Gtk.Application) -> None:
        window = Gtk.ApplicationWindow(application=app, title="libraries")
        button = Gtk.Button(label="start")
        window.set_child(button)
        window.add_tick_callback(lambda *_: frames.append(None) or True)

        @green
        def clicked(_: Gtk.Button) -> None:
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
    app.run(None)


@in_gtk_program("aiohttp", says="['hello one', 'hello two']")
def test_aiohttp_works_in_the_handlers_of_a_gtk_program() -> None:
    from aiohttp import ClientSession, web

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello " + await to_task(slow_name, request.query["name"]))

    def slow_name(name: str) -> str:
        sleep(0.001)
        return name

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/", hello)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def fetch(session: ClientSession, port: int, name: str) -> str:
        async with session.get(f"http://127.0.0.1:{port}/", params={"name": name}) as response:
            return await response.text()

    async def open_session() -> ClientSession:
        return ClientSession()

    def work() -> list[str]:
        runner = await_(serve())
        session = await_(open_session())
        port = runner.addresses[0][1]
        tasks = [spawn(await_, fetch(session, port, name)) for name in ("one", "two")]
        texts = [task.result() for task in tasks]
        await_(session.close())
        await_(runner.cleanup())
        return texts

    print_in_handler(work)


@in_gtk_program("httpx", says="ReadTimeout\n(200, 'hello')")
def test_httpx_works_in_the_handlers_of_a_gtk_program() -> None:
    import httpx

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args: object) -> None:
            pass

    def work() -> tuple[int, str]:
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

    print_in_handler(work)


@in_gtk_program("websockets", says="HELLO")
def test_websockets_works_in_the_handlers_of_a_gtk_program() -> None:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.asyncio.server import Server, ServerConnection, serve

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message.upper())

    async def start() -> Server:
        return await serve(echo, "127.0.0.1", 0)

    async def open_connection(port: int) -> ClientConnection:
        return await connect(f"ws://127.0.0.1:{port}", proxy=None)

    def work() -> object:
        server = await_(start())
        connection = await_(open_connection(next(iter(server.sockets)).getsockname()[1]))
        await_(connection.send("hello"))
        reply = await_(connection.recv())
        await_(connection.close())
        server.close()
        await_(server.wait_closed())
        return reply

    print_in_handler(work)


@in_gtk_program("aiosqlite", says="[1, 2]")
def test_aiosqlite_works_in_the_handlers_of_a_gtk_program() -> None:
    import aiosqlite

    async def rows() -> list[int]:
        async with aiosqlite.connect(":memory:") as database:
            await database.execute("CREATE TABLE numbers (n INTEGER)")
            await database.executemany("INSERT INTO numbers VALUES (?)", [(1,), (2,)])
            async with database.execute("SELECT n FROM numbers ORDER BY n") as cursor:
                return [n async for (n,) in cursor]

    print_in_handler(lambda: await_(rows()))


@in_gtk_program("sqlalchemy", says="refused asyncio\nrefused asyncio\nMissingGreenlet\n[['a'], ['b']]")
def test_sqlalchemy_works_in_the_handlers_of_a_gtk_program() -> None:
    from sqlalchemy import Integer, String, select
    from sqlalchemy.exc import MissingGreenlet
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
    from sqlalchemy.orm import DeclarativeBase, mapped_column
    from sqlalchemy.util import await_only

    class Base(DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "items"
        id = mapped_column(Integer, primary_key=True)
        name = mapped_column(String)

    async def fill(engine: AsyncEngine, name: str) -> list[str]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add(Item(name=name))
            await session.commit()
            names = (await session.scalars(select(Item.name))).all()
            await session.run_sync(block)
            return list(names)

    def block(_: object) -> None:
        # On SQLAlchemy's greenlet, inside the loop's task: to block here would stop the loop.
        try:
            sleep(0.001)
        except UnsafeSwitchError:
            task = current_task()
            print("refused", task and task.name)

    def work() -> list[list[str]]:
        engines = [create_async_engine("sqlite+aiosqlite://") for _ in range(2)]
        tasks = [spawn(await_, fill(engine, name)) for engine, name in zip(engines, "ab", strict=True)]
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

    print_in_handler(work)


@in_gtk_program("dbus_fast", says="True", bus=True)
def test_dbus_fast_works_in_the_handlers_of_a_gtk_program() -> None:
    from dbus_fast.aio import MessageBus

    async def open_bus() -> Any:
        return await MessageBus().connect()

    def work() -> bool:
        bus = await_(open_bus())
        name = "org.freedesktop.DBus"
        introspection = await_(bus.introspect(name, "/org/freedesktop/DBus"))
        interface = bus.get_proxy_object(name, "/org/freedesktop/DBus", introspection).get_interface(name)
        names = await_(interface.call_list_names())
        bus.disconnect()
        return bus.unique_name in names

    print_in_handler(work)


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

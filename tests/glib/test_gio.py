"""`call` with real files, pipes, a D-Bus daemon, libsoup and GdkPixbuf."""

from __future__ import annotations

import http.server
import os
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gi
import pytest

gi.require_version("Soup", "3.0")
from gi.repository import Gio, GLib, Soup

from gleenlet import Cancelled, UnsafeSwitchError, call, run, spawn, timeout
from gleenlet._core import Waiter
from gleenlet._glib import gio, introspect
from inside import settle
from watching import counted_cancellables, has_handler, live_sources

NONE = Gio.FileQueryInfoFlags.NONE


@pytest.fixture
def file(tmp_path: Path) -> Gio.File:
    path = tmp_path / "some.txt"
    path.write_bytes(b"hello")
    return Gio.File.new_for_path(str(path))


@pytest.fixture
def pipe() -> Iterator[tuple[Gio.UnixInputStream, int]]:
    """A stream that has nothing to read until somebody writes to the descriptor."""
    reader, writer = os.pipe()
    yield Gio.UnixInputStream.new(reader, True), writer
    os.close(writer)


@pytest.fixture
def fifo(tmp_path: Path) -> Gio.File:
    """A file that opens only when somebody writes: until then GLib's thread is in open(2), deaf to cancel."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return Gio.File.new_for_path(str(path))


def let_in(fifo: Gio.File) -> None:
    """Let the thread's open(2) return."""
    os.close(os.open(fifo.get_path() or "", os.O_RDWR | os.O_NONBLOCK))


@pytest.fixture(scope="module")
def bus_address() -> Iterator[str]:
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    yield daemon.stdout.readline().strip()
    daemon.terminate()
    daemon.wait()
    daemon.stdout.close()


@pytest.fixture
def connection(bus_address: str) -> Iterator[Gio.DBusConnection]:
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    connection = call(Gio.DBusConnection.new_for_address, bus_address, flags, None)
    yield connection
    call(connection.close)


# ---- what it binds ----


def test_call_binds_a_method(file: Gio.File) -> None:
    assert call(file.query_info_async, "standard::name", NONE).get_name() == "some.txt"


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("standard::size", NONE), {"io_priority": GLib.PRIORITY_LOW}),
        (("standard::size", NONE, GLib.PRIORITY_LOW), {}),
        ((), {"flags": NONE, "attributes": "standard::size"}),
        (("standard::size",), {"flags": NONE}),
    ],
)
def test_arguments_by_place_and_by_name(file: Gio.File, args: tuple[Any, ...], named: dict[str, Any]) -> None:
    assert call(file.query_info_async, *args, **named).get_size() == 5


def test_a_method_taken_from_the_class(file: Gio.File) -> None:
    assert call(Gio.File.query_info_async, file, "standard::size", NONE).get_size() == 5


def test_several_values_come_as_pygobjects_named_tuple(file: Gio.File) -> None:
    found: Any = call(file.load_contents_async)
    assert found.contents == b"hello"
    assert found[:2] == (True, b"hello")
    assert found.etag_out


def test_a_static_function_with_optional_arguments() -> None:
    file, stream = call(Gio.File.new_tmp_async)
    assert call(stream.close_async) is True
    assert call(file.delete_async) is True
    file, stream = call(Gio.File.new_tmp_async, "gleenlet-XXXXXX.txt")
    assert "gleenlet-" in (file.get_basename() or "")
    assert call(file.delete_async)


def test_an_operation_without_its_own_finish_function_takes_one_by_hand(tmp_path: Path) -> None:
    file = Gio.File.new_for_path(str(tmp_path / "new.txt"))
    for finish in (Gio.File.replace_contents_finish, file.replace_contents_finish):
        call(
            file.replace_contents_bytes_async,
            GLib.Bytes.new(b"by hand"),
            None,
            False,
            Gio.FileCreateFlags.NONE,
            finish=finish,
        )
    assert Path(file.get_path() or "").read_bytes() == b"by hand"


@pytest.mark.parametrize("kind", [bytes, bytearray, list])
def test_bytes_to_write_are_kept_until_the_operation_ends(tmp_path: Path, kind: Callable[[bytes], Any]) -> None:
    data = os.urandom(300_000)
    file = Gio.File.new_for_path(str(tmp_path / "out"))
    call(file.replace_contents_async, kind(data), None, False, Gio.FileCreateFlags.NONE)
    assert Path(file.get_path() or "").read_bytes() == data


def test_a_progress_callback_with_and_without_data(file: Gio.File, tmp_path: Path) -> None:
    target = Gio.File.new_for_path(str(tmp_path / "copy"))
    seen: list[tuple[Any, ...]] = []
    overwrite = Gio.FileCopyFlags.OVERWRITE
    call(file.copy_async, target, overwrite)
    call(file.copy_async, target, overwrite, lambda *args: seen.append(args))
    assert seen[-1] == (5, 5)
    call(
        file.copy_async,
        target,
        overwrite,
        GLib.PRIORITY_LOW,
        progress_callback=lambda *args: seen.append(args),
    )
    assert target.load_contents(None)[1] == b"hello"


def test_constructors_and_calls_over_dbus(connection: Gio.DBusConnection) -> None:
    proxy = call(
        Gio.DBusProxy.new,
        connection,
        Gio.DBusProxyFlags.NONE,
        None,
        "org.freedesktop.DBus",
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
    )
    assert isinstance(proxy, Gio.DBusProxy)
    (names,) = call(proxy.call, "ListNames", None, Gio.DBusCallFlags.NONE, -1).unpack()
    assert connection.get_unique_name() in names


@pytest.mark.skipif("DBUS_SESSION_BUS_ADDRESS" not in os.environ, reason="no session bus")
def test_call_gets_the_session_bus() -> None:
    bus = call(Gio.bus_get, Gio.BusType.SESSION)
    proxy = call(
        Gio.DBusProxy.new_for_bus,
        Gio.BusType.SESSION,
        Gio.DBusProxyFlags.NONE,
        None,
        "org.freedesktop.DBus",
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
    )
    assert proxy.get_connection() == bus


def test_libsoup_against_a_local_server() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"page of " + self.path.encode())

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            session = Soup.Session()
            base = f"http://127.0.0.1:{server.server_port}"
            tasks = [spawn(call, session.send_and_read_async, Soup.Message.new("GET", f"{base}/{n}")) for n in range(5)]
            assert [task.result().get_data() for task in tasks] == [b"page of /%d" % n for n in range(5)]
        finally:
            server.shutdown()
            thread.join()


def test_gio_subprocess_with_streams() -> None:
    flags = Gio.SubprocessFlags.STDIN_PIPE | Gio.SubprocessFlags.STDOUT_PIPE
    child = Gio.Subprocess.new(["cat"], flags)
    found: Any = call(child.communicate_utf8_async, "round trip")
    assert found.stdout_buf == "round trip"


def test_many_calls_at_once(file: Gio.File) -> None:
    tasks = [spawn(call, file.query_info_async, "standard::size", NONE) for _ in range(100)]
    assert [task.result().get_size() for task in tasks] == [5] * 100


def test_a_thread_with_a_context_of_its_own(file: Gio.File) -> None:
    found: list[Any] = []

    def work() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        try:
            found.append(call(file.query_info_async, "standard::size", NONE).get_size())
            found.append(run(call, file.query_info_async, "standard::size", NONE).get_size())
        finally:
            context.pop_thread_default()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [5, 5]


# ---- errors ----


def test_an_error_stays_glibs_and_shows_the_line_that_called(tmp_path: Path) -> None:
    missing = Gio.File.new_for_path(str(tmp_path / "missing"))
    with pytest.raises(GLib.Error) as caught:
        call(missing.query_info_async, "standard::name", NONE)
    assert caught.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[0].line == 'call(missing.query_info_async, "standard::name", NONE)'


def test_wrong_arguments_start_nothing(file: Gio.File, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = live_sources()
    query: Any = file.query_info_async
    with counted_cancellables(monkeypatch) as cancellables:
        with pytest.raises(TypeError, match="missing argument 'attributes'"):
            call(query)
        with pytest.raises(TypeError):
            call(query, 5, NONE)
        assert cancellables.left == 0
    assert live_sources() <= sources


def test_an_operation_that_takes_no_cancellable_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    operation = introspect.Operation("Some.thing_async", [], None, lambda source, result: result, False, 0)
    monkeypatch.setitem(introspect.operations, "some_thing_async", operation)

    class Fake:
        def get_symbol(self) -> str:
            return "some_thing_async"

        def __call__(self, done: Callable[[Any, Any], None]) -> None:
            done("source", "result")  # at once: before call() waits

    operation.simple = -1
    assert call(Fake()) == "result"
    with pytest.raises(TypeError, match=r"Some\.thing_async takes no cancellable"):
        call(Fake(), cancellable=Gio.Cancellable())


# ---- the user's cancellable ----


def test_the_users_cancellable_ends_the_operation_with_glibs_error(
    pipe: tuple[Gio.UnixInputStream, int],
) -> None:
    stream, _ = pipe
    mine = Gio.Cancellable()
    task = spawn(call, stream.read_bytes_async, 10, cancellable=mine)
    settle()
    mine.cancel()
    with pytest.raises(GLib.Error) as caught:
        task.result()
    assert caught.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)
    assert mine.is_cancelled()  # never reset
    with pytest.raises(GLib.Error):
        call(stream.read_bytes_async, 10, cancellable=mine)


def test_the_users_cancellable_is_left_alone_when_only_the_task_is_cancelled(
    pipe: tuple[Gio.UnixInputStream, int],
) -> None:
    stream, writer = pipe
    mine = Gio.Cancellable()
    task = spawn(call, stream.read_bytes_async, 10, cancellable=mine)
    settle()
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    assert not mine.is_cancelled()
    assert not has_handler(mine, "cancelled")
    os.write(writer, b"later")
    assert call(stream.read_bytes_async, 10, cancellable=mine).get_data() == b"later"
    assert not has_handler(mine, "cancelled")


# ---- cancelling the task ----


def test_cancelling_the_task_cancels_the_operation_and_waits_for_its_end(
    pipe: tuple[Gio.UnixInputStream, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, writer = pipe
    sources = live_sources()
    with counted_cancellables(monkeypatch) as cancellables:
        task = spawn(call, stream.read_bytes_async, 10)
        settle()
        assert stream.has_pending()
        task.cancel()
        with pytest.raises(Cancelled):
            task.result()
        assert not stream.has_pending()  # it has ended, so the stream is free again
        del task
        assert cancellables.left == 0
    assert live_sources() <= sources
    os.write(writer, b"for the next")
    assert call(stream.read_bytes_async, 20).get_data() == b"for the next"


def test_an_operation_that_ignores_cancel_is_left_at_the_second_one(
    fifo: Gio.File, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted_cancellables(monkeypatch) as cancellables:
        task = spawn(call, fifo.read_async)
        settle()
        task.cancel()
        settle()
        assert not task.done()  # waits for the end of the operation
        task.cancel()
        with pytest.raises(Cancelled):
            task.result()
        assert cancellables.left == 1  # the operation's; it still runs
        let_in(fifo)
        del task
        cancellables.wait_for_none()  # its late result was finished and dropped


def test_an_operation_that_ignores_cancel_is_left_after_the_grace(
    fifo: Gio.File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gio, "CANCEL_GRACE", 0.01)
    with counted_cancellables(monkeypatch) as cancellables:
        task = spawn(call, fifo.read_async)
        settle()
        task.cancel()
        with pytest.raises(Cancelled):
            task.result()
        let_in(fifo)
        del task
        cancellables.wait_for_none()


def test_a_result_that_came_with_the_cancel_is_dropped(file: Gio.File, monkeypatch: pytest.MonkeyPatch) -> None:
    finished: list[Gio.File] = []

    def finish(source: Gio.File, result: Gio.AsyncResult) -> Gio.FileInputStream:
        finished.append(source)
        return source.read_finish(result)

    real = Waiter

    class Cancelling:
        """A waiter whose task is cancelled in the callback that wakes it."""

        def __init__(self, *args: Any) -> None:
            self.real = real(*args)

        def wake(self) -> bool:
            woken = self.real.wake()
            task.cancel()
            return woken

        def wait(self) -> Any:
            return self.real.wait()

    monkeypatch.setattr(gio, "Waiter", Cancelling)
    task = spawn(call, file.read_async, finish=finish)
    with pytest.raises(Cancelled):
        task.result()
    assert finished == [file]


def test_a_call_in_a_callback_is_refused_and_its_operation_cancelled(
    file: Gio.File, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[BaseException] = []

    def in_a_callback() -> bool:
        try:
            call(file.query_info_async, "standard::name", NONE)
        except UnsafeSwitchError as error:
            caught.append(error)
        return False

    with counted_cancellables(monkeypatch) as cancellables:
        GLib.idle_add(in_a_callback)
        while not caught:
            GLib.MainContext.default().iteration(True)
        assert "call() in a callback of the main loop" in str(caught.pop())
        cancellables.wait_for_none()


def test_timeout_around_a_call_ends_its_operation(pipe: tuple[Gio.UnixInputStream, int]) -> None:
    stream, _ = pipe

    def impatient() -> None:
        with timeout(0.01):
            call(stream.read_bytes_async, 10)

    with pytest.raises(TimeoutError):
        spawn(impatient).result()
    assert not stream.has_pending()


# ---- nothing is left ----


def test_no_call_leaves_a_source_or_a_cancellable(file: Gio.File, monkeypatch: pytest.MonkeyPatch) -> None:
    call(file.query_info_async, "standard::name", NONE)
    sources = live_sources()
    with counted_cancellables(monkeypatch) as cancellables:
        for _ in range(20):
            call(file.query_info_async, "standard::name", NONE)
        assert cancellables.made == 20
        assert cancellables.left == 0
    assert live_sources() <= sources

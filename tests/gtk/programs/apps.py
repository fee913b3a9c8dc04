"""Drives an application of examples/apps in its window: python apps.py NAME PICTURE."""

from __future__ import annotations

import gc
import http.server
import importlib.util
import itertools
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk

from drawn import drawn
from gleenlet import get_hub, sleep, spawn

APPS = Path(__file__).parents[3] / "examples" / "apps"
FOLDER = Path(tempfile.mkdtemp())


def until(holds: Callable[[], object]) -> None:
    while not holds():
        sleep(0.01)


def picture(window: Any) -> None:
    """What is to be seen of the window, to the file that was asked for; it must not be blank."""
    paintable, pixels = Gtk.WidgetPaintable(widget=window), b""
    until(lambda: paintable.get_intrinsic_width() > 0)
    while len(pixels) <= 3_000:
        sleep(0.3)  # until what moves in it has come to rest
        texture = drawn(paintable)
        if texture is None:
            return
        pixels = texture.save_to_png_bytes().get_data()
    Path(sys.argv[2]).write_bytes(pixels)


# ---- the download manager ----


class Server(http.server.BaseHTTPRequestHandler):
    """/endless never ends, /unknown has no Content-Length, /once fails the first time."""

    protocol_version = "HTTP/1.0"
    seen: set[str] = set()  # noqa: RUF012

    def do_GET(self) -> None:
        first = self.path not in self.seen
        self.seen.add(self.path)
        self.send_response(500 if self.path == "/once.iso" and first else 200)
        if self.path.startswith("/known"):
            self.send_header("Content-Length", "300000")
        elif self.path.startswith("/endless"):
            self.send_header("Content-Length", "30000000")
        self.end_headers()
        if self.path.startswith("/endless"):
            try:
                while True:
                    self.wfile.write(b"x" * 1000)
                    stop.wait(0.02)
            except OSError:
                return
        self.wfile.write(b"x" * 300_000)

    def log_message(self, *args: object) -> None:
        pass


stop = threading.Event()


def download_manager(window: Any) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        for name in ("known.iso", "unknown.iso", "once.iso"):
            window.add(f"{base}/{name}")
        rows = [window.list.get_row_at_index(place) for place in range(3)]
        until(lambda: [row.button.get_label() for row in rows] == ["Again", "Again", "Retry"])
        assert (FOLDER / "unknown.iso").stat().st_size == 300_000
        rows[2].button.emit("clicked")
        until(lambda: rows[2].button.get_label() == "Again")

        window.entry.set_text("no address")
        window.entry.emit("activate")
        until(lambda: window.list.get_row_at_index(3))
        until(lambda: window.list.get_row_at_index(3).button.get_label() == "Retry")

        for number in range(4):  # the fourth has no place
            window.add(f"{base}/endless{number}.iso")
        endless = [window.list.get_row_at_index(place) for place in range(4, 8)]
        until(lambda: all("bytes" in row.state.get_label() for row in endless[:3]))
        assert endless[3].state.get_label() == "waiting for a place"
        endless[0].button.emit("clicked")
        until(lambda: "bytes" in endless[3].state.get_label())
        assert endless[0].state.get_label() == "cancelled"
        picture(window)
        window.close()  # in the middle
        until(lambda: not list(FOLDER.glob("*.part")))
        stop.set()
        server.shutdown()


# ---- the file searcher ----


def file_searcher(window: Any) -> None:
    until(lambda: window.state.get_label() == "3,000 of 3,000 files")
    window.entry.set_text("file 1")
    window.entry.set_text("file 12")  # before the first has been looked for
    until(lambda: window.state.get_label() == f"{expected('12'):,} of 3,000 files")
    assert window.found.get_n_items() == expected("12")
    window.entry.set_text("no such file")
    until(lambda: window.state.get_label() == "0 of 3,000 files")
    window.entry.set_text("part 7")
    until(lambda: window.found.get_n_items() > 100)
    picture(window)
    window.entry.set_text("file")
    window.close()  # while it looks


def expected(word: str) -> int:
    return sum(word in str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.txt"))


# ---- the log viewer ----


def log_viewer(window: Any) -> None:
    file = FOLDER / "app.log"

    def shown() -> str:
        buffer = window.view.get_buffer()
        return str(buffer.get_text(*buffer.get_bounds(), False))

    until(lambda: shown() == "first\nsecond\n")
    with file.open("a") as log:
        for number in range(20):
            print("line", number, "is red" if number % 2 else "is blue", file=log, flush=True)
    until(lambda: "line 19 is red\n" in shown())
    window.entry.set_text("blue")
    until(lambda: "red" not in shown() and "line 18 is blue\n" in shown())
    window.entry.set_text("")
    until(lambda: "first" in shown())
    picture(window)
    file.rename(FOLDER / "app.log.1")
    file.write_text("new\n")
    until(lambda: shown() == "new\n")
    window.close()


def prepare(name: str) -> list[str]:
    if name == "file_searcher":
        for number in range(30):
            (FOLDER / f"part {number}").mkdir()
            for other in range(100):
                (FOLDER / f"part {number}" / f"file {other}.txt").touch()
    if name == "log_viewer":
        (FOLDER / "app.log").write_text("first\nsecond\n")
        return [str(FOLDER / "app.log")]
    return [str(FOLDER)]


def main() -> None:
    name = sys.argv[1]
    spec = importlib.util.spec_from_file_location(name, APPS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    arguments = prepare(name)
    module.sys = type("Arguments", (), {"argv": [name, *arguments]})
    app = module.App(application_id=f"org.example.Test{name.title().replace('_', '')}")
    windows: list[Any] = []

    def drive() -> None:
        until(app.get_active_window)
        window = app.get_active_window()
        windows.append(weakref.ref(window))
        globals()[name](window)

    task = spawn(drive)
    app.run(None)
    task.result()
    for _ in itertools.takewhile(bool, iter(lambda: GLib.MainContext.default().iteration(False), None)):
        pass
    del task
    gc.collect()
    assert get_hub().tasks() == [], get_hub().tasks()
    assert windows[0]() is None, gc.get_referrers(windows[0]())
    print("ok")


if __name__ == "__main__":
    main()

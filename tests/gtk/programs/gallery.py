"""Runs one of examples/gallery as its user would: `gallery.py save_file FOLDER`.

Presses its buttons, answers its dialogs, waits for what is to be seen, takes a screenshot (FOLDER/screenshot.png), and
closes its window. Prints `ok`.
"""

import gc
import os
import re
import runpy
import sys
import traceback
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gtk", "4.0")
gi.require_version("Gdk", "4.0")
gi.require_version("GdkPixbuf", "2.0")
gi.require_version("Soup", "3.0")
from gi.repository import Gdk, GdkPixbuf, Gio, GLib, Soup
from gi.repository import Gtk as typed_gtk

from drawn import drawn
from gleenlet import get_hub, sleep, spawn

Gtk: Any = typed_gtk
EXAMPLES = Path(__file__).parents[3] / "examples" / "gallery"
NAME, FOLDER = sys.argv[1], Path(sys.argv[2])


class User:
    """What one sees and does: sees labels, presses buttons, answers dialogs."""

    def __init__(self) -> None:
        while not (windows := self.windows()):
            sleep(0.001)
        self.window = windows[0]

    def windows(self) -> list[Any]:
        return [window for window in Gtk.Window.list_toplevels() if window.get_mapped()]

    def dialog(self) -> Any:
        while not (dialogs := [window for window in self.windows() if window is not self.window]):
            sleep(0.001)
        return dialogs[0]

    def inside(self, widget: Any) -> Iterator[Any]:
        yield widget
        for child in list(widget.observe_children()):
            yield from self.inside(child)

    def press(self, label: str, window: Any = None) -> None:
        for widget in self.inside(window or self.window):
            if isinstance(widget, Gtk.Button) and widget.get_label() == label:
                while not widget.is_sensitive():
                    sleep(0.001)
                widget.emit("clicked")
                return
        raise LookupError(label)

    def find(self, kind: Any) -> Any:
        return next(widget for widget in self.inside(self.window) if isinstance(widget, kind))

    def see(self, pattern: str) -> None:
        """Wait until a label reads so."""
        while not any(re.fullmatch(pattern, text) for window in self.windows() for text in self.texts(window)):
            sleep(0.001)

    def texts(self, window: Any) -> list[str]:
        return [widget.get_text() for widget in self.inside(window) if isinstance(widget, Gtk.Label)]

    def choose(self, file: Path) -> None:
        """Answer a file dialog; once more if it has read its folder meanwhile and forgotten."""
        dialog = self.dialog()
        action = dialog.get_action()
        while (chosen := dialog.get_file()) is None or chosen.get_path() != str(file):
            if action == Gtk.FileChooserAction.OPEN:
                dialog.set_file(Gio.File.new_for_path(str(file)))
            else:
                is_folder = action == Gtk.FileChooserAction.SELECT_FOLDER
                folder = Gio.File.new_for_path(str(file if is_folder else file.parent))
                # Not again while it reads that one: GTK 4.18 writes a critical then.
                if (current := dialog.get_current_folder()) is None or not current.equal(folder):
                    dialog.set_current_folder(folder)
            if action == Gtk.FileChooserAction.SAVE:
                dialog.set_current_name(file.name)
            sleep(0.1)
        dialog.response(Gtk.ResponseType.ACCEPT)

    def screenshot(self) -> None:
        texture = drawn(Gtk.WidgetPaintable(widget=self.window))
        assert texture is None or texture.save_to_png(str(FOLDER / "screenshot.png"))


def picture() -> Path:
    """A picture file."""
    path = FOLDER / "picture.png"
    pixbuf = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, 64, 64)
    assert pixbuf is not None
    for column in range(64):
        pixbuf.new_subpixbuf(column, 0, 1, 64).fill(0x3584E4FF + column * 0x3000000)
    pixbuf.savev(str(path), "png", [], [])
    return path


def avatar(user: User) -> None:
    user.press("Picture…")
    user.choose(picture())
    from gi.repository import Adw

    while user.find(Adw.Avatar).get_custom_image() is None:
        sleep(0.001)


def color_dialog(user: User) -> None:
    user.press("Colour…")
    red = Gdk.RGBA()
    red.parse("#e01b24")
    user.dialog().set_rgba(red)
    user.dialog().response(Gtk.ResponseType.OK)
    user.see("#e01b24")


def file_monitor(user: User) -> None:
    (FOLDER / "notes.txt").unlink(missing_ok=True)  # written before the window was closed in the middle
    user.press("Write")
    user.see(r"notes\.txt was created")
    user.see(r"notes\.txt was written")
    user.press("Delete")
    user.see(r"notes\.txt was deleted")


def font_dialog(user: User) -> None:
    user.press("Font…")
    user.dialog().set_font("DejaVu Sans Bold 23")
    user.dialog().response(Gtk.ResponseType.OK)
    user.see(".*23")


def http_image(user: User) -> None:
    while user.find(Gtk.Picture).get_paintable() is None:
        sleep(0.001)


def http_request(user: User) -> None:
    user.press("Read")
    user.see("An article")
    user.see("It is about something.")


def message_dialogs(user: User) -> None:
    user.press("Replace…")
    user.press("_Replace", user.dialog())
    user.see("Replaced")
    user.press("Fail…")
    user.dialog().close()
    user.see("Told")
    user.press("Log in…")
    dialog = user.dialog()
    next(widget for widget in user.inside(dialog) if isinstance(widget, Gtk.PasswordEntry)).set_text("secret")
    user.press("_Log in", dialog)
    user.see("A password of 6 letters")


def open_file(user: User) -> None:
    text = FOLDER / "text.txt"
    text.write_text("text")
    for button, path in (("File…", text), ("Picture…", picture()), ("Files…", text)):
        user.press(button)
        user.choose(path)
        user.see(re.escape(path.name))
    user.press("File…")
    user.dialog().close()
    user.see("Nothing was chosen")


def progress_bar(user: User) -> None:
    user.press("Play")
    user.see("1 seconds remaining")
    user.see("Complete")


def save_file(user: User) -> None:
    user.press("Save…")
    user.choose(FOLDER / "greeting.txt")
    user.see(r"greeting\.txt is saved")
    assert (FOLDER / "greeting.txt").read_text() == "Hello!\n"
    user.press("Save…")
    user.choose(FOLDER / "greeting.txt")  # replaces it: the dialog asks
    user.see(".*already exists.*")


def select_folder(user: User) -> None:
    for name in ("a", "b", "c"):
        (FOLDER / "chosen" / name).mkdir(parents=True)
    user.press("Folder…")
    user.choose(FOLDER / "chosen")
    user.see("chosen: 3 entries")


def websocket_client(user: User) -> None:
    user.press("Connect")
    user.see("connected")
    user.find(Gtk.Entry).emit("activate")
    user.see("received: Hello, hello")
    user.press("Disconnect")
    user.see("closed")
    user.press("Connect")
    user.see("connected")  # and the window is closed with the connection open


def serve() -> str:
    """A server for what needs one; its address."""

    def answer(_server: Any, message: Any, path: str, _query: Any) -> None:
        if path.startswith("/feed/"):
            body = b'{"tfa": {"titles": {"normalized": "An article"}, "extract": "It is about something."}}'
        else:
            body = picture().read_bytes()
        message.set_status(Soup.Status.OK, None)
        message.get_response_body().append(body)

    def talk(_server: Any, _message: Any, _path: str, connection: Any) -> None:
        connections.append(connection)
        connection.connect("message", lambda c, _kind, text: c.send_text(f"{text.get_data().decode()}, hello"))

    server.add_handler(None, answer)
    server.add_websocket_handler("/socket", None, None, talk)
    server.listen_local(0, Soup.ServerListenOptions(0))
    return f"127.0.0.1:{server.get_uris()[0].get_port()}"


server, connections = Soup.Server(), []  # type: ignore[var-annotated]
ARGUMENTS: dict[str, Callable[[], object]] = {
    "file_monitor": lambda: str(FOLDER),
    "http_image": lambda: f"http://{serve()}/picture",
    "http_request": lambda: f"http://{serve()}",
    "progress_bar": lambda: "0.2",
    "websocket_client": lambda: f"ws://{serve()}/socket",
}


def close_in_the_middle(user: User) -> None:
    """Press what comes first, and close the window while that goes on, with its dialog open."""
    for widget in list(user.inside(user.window)):
        if isinstance(widget, Gtk.Button):
            widget.emit("clicked")
            break
    for _ in range(5):
        sleep(0)


def use(story: Callable[[User], None]) -> None:
    user = User()
    try:
        story(user)
        if story is not close_in_the_middle:
            user.screenshot()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    gone.append(weakref.ref(user.window))
    user.window.close()
    for window in user.windows():
        window.close()


def until(holds: Callable[[], object]) -> None:
    while not holds():
        GLib.MainContext.default().iteration(True)


def run_example(story: Callable[[User], None], run_name: str) -> None:
    task = spawn(use, story)
    runpy.run_path(str(EXAMPLES / f"{NAME}.py"), run_name=run_name)
    task.result()
    del task
    until(lambda: not get_hub().tasks())
    until(lambda: gc.collect() is not None and gone[-1]() is None)


gone: list[weakref.ref[Any]] = []
sys.argv = [NAME, *([str(ARGUMENTS[NAME]())] if NAME in ARGUMENTS else [])]
GLib.timeout_add(1, lambda: True)  # wakes the loop up
run_example(close_in_the_middle, "first")
run_example(globals()[NAME], "second")
print("ok")

"""The demonstration (`make demo`): a crash, the same program alive, and a window with a hundred tasks.

usage: demo.py [picture.png]
Without a display it starts Xvfb, presses its buttons itself and saves a picture.

Output:
1. The famous program...
   0
   killed by SIGSEGV...
2. ...
   0 1 2 3 4 5 6 7 8 9
   alive...
3. ...
   100 tasks: ... finished, ... cancelled...
   ...frames a second...
"""

from __future__ import annotations

import contextlib
import datetime
import inspect
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gi

FAMOUS = """
from gi.repository import GLib
from greenlet import getcurrent, greenlet
import gleenlet

main_greenlet = getcurrent()

def my_thread():
    for i in range(10):
        print(i)
        main_greenlet.switch()

mt = greenlet(my_thread)
loop = GLib.MainLoop()
GLib.idle_add(mt.switch)
GLib.timeout_add(500, loop.quit)
loop.run()
"""
BEFORE, AFTER = "GLib.idle_add(mt.switch)", "gleenlet.spawn(my_thread)"


def run_child(program: str) -> str:
    """Run `program` in a child process, print what it printed, and return how it ended."""
    quiet = {name: value for name, value in os.environ.items() if name != "PYTHONFAULTHANDLER"}  # its end says enough
    child = subprocess.run([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True, env=quiet)
    print("  ", " ".join(child.stdout.split()))
    if child.returncode < 0:
        return f"killed by {signal.Signals(-child.returncode).name}"
    return f"alive: exit status {child.returncode}, the loop ran until its end"


def show_window(picture: Path | None) -> None:
    """Open the window; with `picture`, press its buttons, save it there, and close it."""
    gi.require_version("Gtk", "4.0")
    gi.require_version("Gdk", "4.0")
    gi.require_version("Graphene", "1.0")
    from gi.repository import Gdk, Graphene, Gtk, Pango

    import gleenlet

    seconds = 7.0 if picture else 20.0
    tasks: dict[gleenlet.Task[None], Cell] = {}
    demo: list[gleenlet.Task[None]] = []
    counts = {"frames": 0, "steps": 0, "done": 0, "cancelled": 0}

    # ---- what the tasks do: plain functions that wait where they have to ----

    def job(cell: Cell, pace: float) -> None:
        try:
            for percent in range(101):
                cell.show(percent)
                gleenlet.sleep(pace)
            cell.end("done")
        except gleenlet.Cancelled:
            cell.end("cancelled")
            raise

    def tell_time(label: Gtk.Label) -> None:
        while True:
            now = datetime.datetime.now()
            label.set_label(f"{now:%H:%M:%S}")
            gleenlet.sleep(1 - now.microsecond / 1e6)

    def show_figures(figures: dict[str, Any]) -> None:
        while True:
            before = dict(counts)
            gleenlet.sleep(0.5)
            figures["frames"].set_label(str(2 * (counts["frames"] - before["frames"])))
            figures["steps"].set_label(f"{2 * (counts['steps'] - before['steps']):,}")
            figures["done"].set_label(str(counts["done"]))
            figures["cancelled"].set_label(str(counts["cancelled"]))

    def cancel_one(_button: Gtk.Button) -> None:
        running = [t for t in tasks if not t.done()]
        if running:
            task = random.choice(running)
            task.cancel()
            task.join()
            notice.set_label(f"{task.name} was cancelled")
            gleenlet.sleep(1.5)
            notice.set_label("")

    def end(window: Gtk.Window) -> None:
        try:
            if picture:
                for _ in range(3):
                    gleenlet.sleep(seconds / 4)
                    cancel.emit("clicked")
                gleenlet.sleep(0.8)  # the figures show it now
                save(window, picture)
            gleenlet.sleep(seconds / 8 if picture else seconds)
        finally:
            if not keep.get_active():
                app.quit()

    # ---- the window ----

    class Cell(Gtk.Box):
        def __init__(self, name: str) -> None:
            super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=5, hexpand=True, css_classes=["cell"])
            self.label = Gtk.Label(label=name, xalign=0)
            self.bar = Gtk.ProgressBar()
            self.append(self.label)
            self.append(self.bar)

        def show(self, percent: int) -> None:
            counts["steps"] += 1
            self.bar.set_fraction(percent / 100)

        def end(self, how: str) -> None:
            counts[how] += 1
            self.add_css_class(how)

    def figure(caption: str, *css: str) -> tuple[Any, Any]:
        card = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, hexpand=True, css_classes=["card"])
        number = Gtk.Label(label="0", xalign=0, css_classes=["figure", *css])
        card.append(number)
        card.append(Gtk.Label(label=caption, xalign=0, css_classes=["caption"]))
        return card, number

    def code_card() -> Any:
        card = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=8, css_classes=["card"])
        connect = '\n\nbutton.connect(\n    "clicked", gleenlet.green(cancel_one)\n)'
        for caption, func, more in (
            ("behind each bar", job, ""),
            ("behind the button", cancel_one, connect),
            ("behind the clock", tell_time, ""),
        ):
            code = inspect.cleandoc("\n" + inspect.getsource(func)) + more
            card.append(Gtk.Label(label=caption, xalign=0, css_classes=["caption"]))
            card.append(Gtk.Label(label=code, xalign=0, css_classes=["code"], margin_bottom=10))
        notice.set_vexpand(True)
        notice.set_valign(Gtk.Align.END)
        card.append(notice)
        return card

    def build(window: Any) -> None:
        provider = Gtk.CssProvider()
        provider.load_from_path(str(Path(__file__).with_suffix(".css")))
        Gtk.StyleContext.add_provider_for_display(Gdk.Display.get_default(), provider, 800)
        header = Gtk.HeaderBar()
        title = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, valign=Gtk.Align.CENTER)
        title.append(Gtk.Label(label="gleenlet", css_classes=["title"]))
        title.append(Gtk.Label(label="a hundred tasks on the main loop of one thread", css_classes=["subtitle"]))
        header.set_title_widget(title)
        header.pack_start(cancel)
        header.pack_start(keep)
        clock = Gtk.Label(css_classes=["clock"])
        header.pack_end(clock)
        window.set_titlebar(header)

        cards = Gtk.Box(spacing=10, homogeneous=True)
        figures = {}
        for key, caption, *css in (
            ("frames", "frames a second"), ("steps", "task steps a second"),
            ("done", "tasks done", "good"), ("cancelled", "tasks cancelled", "bad"),
        ):  # fmt: skip
            card, figures[key] = figure(caption, *css)
            cards.append(card)
        grid = Gtk.Grid(row_spacing=6, column_spacing=6, column_homogeneous=True, row_homogeneous=True, vexpand=True)
        dice = random.Random(1)
        for i in range(100):
            cell = Cell(f"Task {i + 1}")
            grid.attach(cell, i % 10, i // 10, 1, 1)
            tasks[gleenlet.spawn(job, cell, dice.uniform(0.025, 0.12), name=f"Task {i + 1}")] = cell
        left = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=10, hexpand=True)
        left.append(cards)
        left.append(grid)
        body = Gtk.Box(spacing=10, margin_top=12, margin_bottom=12, margin_start=12, margin_end=12)
        body.append(left)
        body.append(code_card())
        window.set_child(body)
        gleenlet.spawn(tell_time, clock)
        gleenlet.spawn(show_figures, figures)

    def count_frame(*_: Any) -> bool:
        counts["frames"] += 1
        return True

    def save(window: Any, path: Path) -> None:
        width, height = window.get_width(), window.get_height()
        node = None
        while node is None:  # what was drawn last is gone as soon as something changes: wait for a redraw
            gleenlet.sleep(0)
            snapshot = Gtk.Snapshot()
            Gtk.WidgetPaintable(widget=window).snapshot(snapshot, width, height)
            try:
                node = snapshot.to_node()
            except TypeError:  # PyGObject 3.42 knows no render nodes
                return print(f"   no picture: PyGObject {gi.__version__} cannot take one")
        area = Graphene.Rect().init(0, 0, width, height)
        window.get_renderer().render_texture(node, area).save_to_png(str(path))
        print(f"   the window, as it was then: {path}")

    def activate(app: Any) -> None:
        window = Gtk.ApplicationWindow(application=app, title="gleenlet", default_width=1240, default_height=720)
        build(window)
        window.add_tick_callback(count_frame)
        window.present()
        demo.append(gleenlet.spawn(end, window))

    app = Gtk.Application()
    cancel = Gtk.Button(label="Cancel a task", css_classes=["cancel"], valign=Gtk.Align.CENTER)
    cancel.connect("clicked", gleenlet.green(cancel_one))
    keep = Gtk.ToggleButton(label="Keep open", css_classes=["keep"], valign=Gtk.Align.CENTER, visible=not picture)
    notice = Gtk.Label(xalign=0, css_classes=["notice"], ellipsize=Pango.EllipsizeMode.END)
    app.connect("activate", activate)
    started = time.monotonic()
    app.run([])
    took = time.monotonic() - started
    for task in demo:
        if task.done():
            task.result()  # raises what it raised
    cancelled = counts["cancelled"]
    gleenlet.shutdown()  # the loop has ended: this drives it until the tasks have
    left = counts["cancelled"] - cancelled
    print(f"   100 tasks: {counts['done']} finished, {cancelled} cancelled by the button, {left} at the end")
    rate = counts["frames"] / took
    print(f"   {rate:.0f} frames a second, {counts['steps']:,} steps in {took:.1f} s, one thread")


def has_display() -> bool:
    """Whether GTK can open a display here that somebody sees; asked in a child, since GTK asks only once."""
    if "xvfb-run" in os.environ.get("XAUTHORITY", ""):
        return False
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    code = "import gi; gi.require_version('Gtk', '4.0'); from gi.repository import Gtk; "
    code += "raise SystemExit(not Gtk.init_check())"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == 0


@contextlib.contextmanager
def virtual_display() -> Iterator[None]:
    """Xvfb on a free display, as DISPLAY."""
    if not shutil.which("Xvfb"):
        sys.exit("   there is no display, and no Xvfb to stand in for one: apt install xvfb")
    read_fd, write_fd = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_fd), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write_fd], stderr=subprocess.DEVNULL)
    os.close(write_fd)
    try:
        with os.fdopen(read_fd) as number:
            os.environ.update(DISPLAY=f":{number.readline().strip()}", GDK_BACKEND="x11", GTK_A11Y="none")
        os.environ.setdefault("GSK_RENDERER", "cairo")
        os.environ.setdefault("DBUS_SESSION_BUS_ADDRESS", "disabled:")
        yield
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    print(f"1. The famous program: a greenlet on a GLib loop, resumed by {BEFORE}", flush=True)
    print("  ", run_child(FAMOUS))
    print(f"2. The same with one line changed, to {AFTER}", flush=True)
    print("  ", run_child(FAMOUS.replace(BEFORE, AFTER)))
    if has_display():
        print("3. A window with a hundred tasks; it closes in 20 s unless you press Keep open", flush=True)
        show_window(None)
    else:
        print("3. A window with a hundred tasks, on a virtual display for 7 s", flush=True)
        with virtual_display():
            default = Path(tempfile.gettempdir()) / "gleenlet-demo.png"
            show_window(Path(sys.argv[1]) if len(sys.argv) > 1 else default)


if __name__ == "__main__":
    main()

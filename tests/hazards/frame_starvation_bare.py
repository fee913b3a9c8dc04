"""A GTK 4 window beside 100 coroutines that yield all the time, on PyGObject's own asyncio loop.

Ready work runs there at PRIORITY_DEFAULT, above the priority of redraws (120): no frame is drawn.
usage: frame_starvation_bare.py [seconds]; needs a display and PyGObject 3.50 or later
"""

import asyncio
import sys
import time

import gi

gi.require_version("Gtk", "4.0")
from gi.events import GLibEventLoopPolicy  # type: ignore[import-untyped]
from gi.repository import GLib, Gtk

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5
frames = idle_frames = 0
tasks: list[asyncio.Task[None]] = []


def burn() -> None:
    end = time.perf_counter() + 0.0002
    while time.perf_counter() < end:
        pass


async def spin() -> None:
    while True:
        burn()
        await asyncio.sleep(0)


def count_idle() -> None:
    global frames
    frames = 0
    GLib.timeout_add(round(seconds * 1000), count_busy)


def count_busy() -> None:
    global frames, idle_frames
    idle_frames, frames = frames, 0
    tasks.extend(asyncio.ensure_future(spin()) for _ in range(100))
    GLib.timeout_add(round(seconds * 1000), app.quit)


def activate(app: Gtk.Application) -> None:
    label = Gtk.Label(label="0")
    window = Gtk.ApplicationWindow(application=app, default_width=200, default_height=100, child=label)

    def tick(*_: object) -> bool:
        global frames
        frames += 1
        label.set_label(str(frames))
        return True

    window.add_tick_callback(tick)
    window.present()
    GLib.timeout_add(500, count_idle)  # after the window is there


asyncio.set_event_loop_policy(GLibEventLoopPolicy())
app = Gtk.Application()
app.connect("activate", activate)
app.run([])
print(f"frames: {idle_frames} idle, {frames} busy")

"""The same window beside 100 tasks that yield all the time: `sleep(0)` lets redraws go first.

usage: frame_starvation.py [seconds]; needs a display
"""

import sys
import time

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gtk

import gleenlet

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5
frames = idle_frames = steps = 0


def burn() -> None:
    end = time.perf_counter() + 0.0002
    while time.perf_counter() < end:
        pass


def spin() -> None:
    global steps
    while True:
        steps += 1
        burn()
        gleenlet.sleep(0)


def measure(app: Gtk.Application) -> None:
    global frames, idle_frames
    gleenlet.sleep(0.5)  # the window is there now
    frames = 0
    gleenlet.sleep(seconds)
    idle_frames, frames = frames, 0
    for _ in range(100):
        gleenlet.spawn(spin)
    gleenlet.sleep(seconds)
    app.quit()


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
    gleenlet.spawn(measure, app)


app = Gtk.Application()
app.connect("activate", activate)
app.run([])
print(f"frames: {idle_frames} idle, {frames} busy, beside {steps} steps")

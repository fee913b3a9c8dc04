"""Draws inspector.png: the inspector beside a small program.

Needs a display: xvfb-run .venv/bin/python docs/pictures/make_inspector.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import gi

gi.require_version("Gtk", "4.0")

from gi.repository import Gtk

from gleenlet import Event, Lock, Queue, TaskGroup, run, shutdown, sleep, spawn
from gleenlet.debug import inspector
from gleenlet.gtk import frames
from gleenlet.testing import screenshot

lock, jobs, ready = Lock(), Queue[int](), Event()


def work(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def poll(every: float, seconds: float) -> None:
    while True:
        sleep(every)
        work(seconds)


def animate(area: Gtk.DrawingArea) -> None:
    for _ in frames(area):
        work(0.004)
        area.queue_draw()


def save() -> None:
    with lock:
        sleep(60)


def download() -> None:
    with TaskGroup() as group:
        for number in range(3):
            group.spawn(save, name=f"save page {number}")
        group.spawn(jobs.get, name="next page")


def main(path: Path) -> None:
    area = Gtk.DrawingArea()
    Gtk.Window(title="the program", child=area).present()
    spawn(animate, area, name="animation")
    spawn(poll, 0.3, 0.03, name="thumbnails")
    spawn(poll, 0.7, 0.06, name="index")
    spawn(download, name="download")
    spawn(ready.wait, name="status")
    window = inspector()
    window.set_default_size(1180, 620)
    sleep(10)
    screenshot(window, path)
    window.close()


run(main, Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("inspector.png")))
shutdown()

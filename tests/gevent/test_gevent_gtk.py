"""gleenlet.gevent beside GLib's own sources and a GTK window: neither side starves."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import Any

import pytest
from gi.repository import Gio, GLib

pytest.importorskip("gevent")

import gevent
import gevent.socket

import gleenlet.gevent
from inside_gevent import in_gevent


@in_gevent(bus=True)
def test_glib_sources_of_every_kind_are_served_while_greenlets_spin() -> None:
    loop = GLib.MainLoop()
    seen: set[str] = set()

    def saw(what: str) -> bool:
        seen.add(what)
        if len(seen) == 6:
            loop.quit()
        return False

    def answered(_source: object, _result: Gio.AsyncResult, what: str) -> None:
        saw(what)

    def spin() -> None:
        while True:
            gevent.sleep(0)

    for _ in range(100):
        gevent.spawn(spin)
    gevent.sleep(0.02)
    reader, writer = os.pipe()
    GLib.timeout_add(10, saw, "timeout")
    GLib.idle_add(saw, "idle")
    GLib.io_add_watch(reader, 0, GLib.IOCondition.IN, lambda *_: saw("descriptor"))
    GLib.timeout_add(20, lambda: os.write(writer, b"x") and False)
    child = subprocess.Popen(["true"])
    GLib.child_watch_add(0, child.pid, lambda *_: saw("child"))
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    name = "org.freedesktop.DBus"
    bus.call(name, "/", name, "GetId", None, None, Gio.DBusCallFlags.NONE, -1, None, answered, "bus")
    root = Gio.File.new_for_path("/")
    root.query_info_async("*", Gio.FileQueryInfoFlags.NONE, GLib.PRIORITY_DEFAULT, None, answered, "file")
    loop.run()


@in_gevent()
def test_gevent_is_served_while_glib_is_never_idle() -> None:
    loop = GLib.MainLoop()
    GLib.idle_add(lambda: True)  # an application that is never idle
    GLib.timeout_add(0, lambda: True)

    def pong(end: Any) -> None:
        while data := end.recv(1):
            end.sendall(data)

    def worker() -> None:
        for _ in range(5):
            gevent.sleep(0.02)
        near, far = gevent.socket.socketpair()
        gevent.spawn(pong, far)
        for _ in range(200):
            near.sendall(b"x")
            near.recv(1)
        for _ in range(100):
            gevent.sleep(0)
        loop.quit()

    job = gevent.spawn(worker)
    loop.run()
    job.get()


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")
@pytest.mark.parametrize(
    ("load", "kind"), [("spin", "frames"), ("spin", "ticks"), ("burn", "frames"), ("echo", "trips")]
)
@in_gevent(display=True, bus=True)
def test_window_and_gevent_share_the_processor(load: str, kind: str) -> None:
    """Nobody starves; how large the shares are, bench/gtk_load.py tells."""
    import gi

    gi.require_version("Gtk", "4.0")
    from gi.repository import Gtk

    label = Gtk.Label(label="0")
    counts = {"frames": 0, "ticks": 0, "trips": 0}
    jobs: list[gevent.Greenlet] = []

    def count(name: str) -> bool:
        counts[name] += 1
        return True

    def redraw(*_: Any) -> bool:
        count("frames")
        label.set_label(str(counts["frames"]))
        return True

    def burn() -> None:
        end = time.perf_counter() + 0.0002
        while time.perf_counter() < end:
            pass

    def spin() -> None:
        while True:
            if load == "burn":
                burn()
            gevent.sleep(0)

    def ping(end: Any) -> None:
        while True:
            end.sendall(b"x")
            end.recv(1)
            count("trips")

    def pong(end: Any) -> None:
        while True:
            end.sendall(end.recv(1))

    def begin_load() -> None:
        if load == "echo":
            for near, far in [gevent.socket.socketpair() for _ in range(10)]:
                jobs.extend([gevent.spawn(ping, near), gevent.spawn(pong, far)])
        else:
            jobs.extend(gevent.spawn(spin) for _ in range(100))

    def counted(seconds: float = 0.5) -> dict[str, int]:
        counts.update(frames=0, ticks=0, trips=0)
        gevent.sleep(seconds)
        return dict(counts)

    def measure() -> None:
        while not counts["ticks"] or (load != "echo" and not counts["frames"]):
            gevent.sleep(0.01)
        if load == "echo":  # first without redraws
            begin_load()
            quiet = counted()
            label.add_tick_callback(redraw)
        else:
            quiet = counted()
            begin_load()
        for _ in range(20):  # a machine that stands still meanwhile has another go
            busy = counted()
            if busy[kind] > quiet[kind] * 0.05:  # of what the same window did just before without the load, or redraws
                break
        else:
            raise AssertionError(f"{busy} beside the load, {quiet} without")

    def activate(app: Gtk.Application) -> None:
        Gtk.ApplicationWindow(application=app, default_width=200, default_height=100, child=label).present()
        GLib.timeout_add(16, count, "ticks")
        if load != "echo":
            label.add_tick_callback(redraw)
        jobs.append(gevent.spawn(measure))
        jobs[0].link(lambda _: app.quit())

    app = Gtk.Application(application_id="org.gleenlet.Frames")
    app.connect("activate", activate)
    gleenlet.gevent.run(app.run, [])
    jobs[0].get()

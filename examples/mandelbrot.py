"""A window draws the Mandelbrot set tile by tile, each computed in another process, and stays alive meanwhile.

Output:
48 tiles, and ... frames drawn meanwhile
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from gleenlet import TaskGroup, wait_future
from gleenlet.gtk import tasks_of

WIDTH, HEIGHT, TILE = 320, 240, 40


def tile(left: int, top: int) -> list[bytes]:
    """Compute one: a row of RGB after the other. It runs in a process that knows nothing of GTK."""
    return [b"".join(color(x, y) for x in range(left, left + TILE)) for y in range(top, top + TILE)]


def color(x: int, y: int) -> bytes:
    z, c, steps = 0j, complex(3.2 * x / WIDTH - 2.3, 2.4 * y / HEIGHT - 1.2), 0
    while abs(z) < 2 and steps < 80:
        z, steps = z * z + c, steps + 1
    return bytes((steps * 3, min(steps * 6, 255), 255 - steps * 3))


def show(submit: Any) -> None:
    """Open the window, fill it, close it. `submit` is an executor's."""
    import gi  # not at the top: the processes import this file as well

    gi.require_versions({"Gtk": "4.0", "Gdk": "4.0"})
    from gi.repository import Gdk, GLib, Gtk

    image, frames = bytearray(WIDTH * HEIGHT * 3), list[int]()

    def draw(left: int, top: int) -> None:  # a task for each tile
        for y, row in enumerate(wait_future(submit(tile, left, top)), top):
            image[(start := (y * WIDTH + left) * 3) : start + len(row)] = row
        pixels = GLib.Bytes.new(bytes(image))
        picture.set_paintable(Gdk.MemoryTexture.new(WIDTH, HEIGHT, Gdk.MemoryFormat.R8G8B8, pixels, WIDTH * 3))

    def fill(window: Gtk.Window) -> None:
        with TaskGroup() as group:
            tiles = [group.spawn(draw, x, y) for y in range(0, HEIGHT, TILE) for x in range(0, WIDTH, TILE)]
        print(f"{len(tiles)} tiles, and {len(frames)} frames drawn meanwhile")
        window.close()

    def tick(*_: object) -> bool:
        frames.append(1)
        return True

    def activate(app: Gtk.Application) -> None:
        window = Gtk.ApplicationWindow(application=app, title="Mandelbrot", child=picture)
        window.add_tick_callback(tick)
        window.present()
        tasks_of(window).spawn(fill, window)  # closed before, it cancels the tiles that are not computed yet

    picture, app = Gtk.Picture(width_request=WIDTH, height_request=HEIGHT), Gtk.Application()
    app.connect("activate", activate)
    app.run([])


if __name__ == "__main__":
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as executor:
        show(executor.submit)

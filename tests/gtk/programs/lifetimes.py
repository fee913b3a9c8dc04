"""Tasks of windows and widgets of the GTK named by the argument, which close at every moment. Prints `ok`."""

import gc
import sys
import weakref
from typing import Any

import gi
import pytest

import gleenlet
from gleenlet.gtk import _ends, _lifetimes, handler, tasks_of

VERSION = sys.argv[1]
gi.require_version("Gtk", VERSION)
from gi.repository import Gio, GLib
from gi.repository import Gtk as typed_gtk

Gtk: Any = typed_gtk


def settle() -> None:
    while GLib.MainContext.default().iteration(False):
        pass


def add(window: Any, child: Any) -> None:
    window.add(child) if VERSION == "3.0" else window.set_child(child)


def show(window: Any) -> None:
    window.show_all() if VERSION == "3.0" else window.present()


@Gtk.Template(
    string="""
<interface>
  <template class="LifetimesPanel" parent="GtkBox">
    <child>
      <object class="GtkButton" id="button">
        <property name="visible">True</property>
        <signal name="clicked" handler="on_clicked"/>
      </object>
    </child>
  </template>
</interface>
"""
)
class Panel(Gtk.Box):  # type: ignore[misc]
    """Part of the window, with a handler of its own."""

    __gtype_name__ = "LifetimesPanel"
    button: Any = Gtk.Template.Child()

    @typed_gtk.Template.Callback()
    @handler
    def on_clicked(self, _button: Any) -> None:
        gleenlet.sleep(1e6)


class Window(Gtk.ApplicationWindow):  # type: ignore[misc]
    """Its tasks are methods of it, which it would live on with if they did."""

    def __init__(self, app: Any) -> None:
        super().__init__(application=app)
        panel = Panel()
        self.button = panel.button
        add(self, panel)
        self.story: list[str] = []
        self.button.connect("clicked", self.on_clicked)
        self.button.emit("clicked")
        tasks_of(self).spawn(self.work)
        tasks_of(self.button).spawn(self.work)
        tasks_of(self.button).while_mapped(self.work)
        tasks_of(self).restart("key", self.work)
        tasks_of(self).restart("key", self.work)

    @handler(when_busy="queue")
    def on_clicked(self, _button: Any) -> None:
        self.work()

    def work(self) -> None:
        self.story.append("begin")
        try:
            while True:
                gleenlet.sleep(1e-4)
        finally:
            self.story.append("end")


def close_after(app: Any, steps: int, how: str) -> None:
    window = Window(app)
    if how != "never shown":
        show(window)
    for _ in range(steps):
        gleenlet.sleep(0)
    if how == "hidden before":
        window.hide()
    story, ref, panel = window.story, weakref.ref(window), weakref.ref(window.button.get_parent())
    assert Panel.on_clicked.running
    window.close() if how == "shown" else window.destroy()
    del window
    for _ in range(1000):
        if ref() is None and panel() is None:
            break
        gleenlet.sleep(0)
        gc.collect()
    assert ref() is None, f"{how} after {steps} steps: alive, held by {gc.get_referrers(ref())}"
    assert panel() is None, f"{how} after {steps} steps: the panel is alive"
    assert story.count("begin") == story.count("end"), story
    assert steps < 5 or story
    assert not _lifetimes.lives
    assert not _ends.Shared.all


def main(app: Any) -> None:
    for how in ("shown", "never shown", "hidden before"):
        for steps in range(6):
            close_after(app, steps, how)
    if VERSION == "3.0":
        window = Gtk.Window()
        button = Gtk.Button()
        window.add(button)
        button.destroy()
        tasks_of(window).spawn(gleenlet.sleep, 0).join()
        window.destroy()
        with pytest.raises(gleenlet.GleenletError, match="was closed"):
            tasks_of(window)
    print("ok")


app = Gtk.Application(application_id="org.example.Lifetimes", flags=Gio.ApplicationFlags.NON_UNIQUE)
app.connect("activate", lambda app: (app.hold(), gleenlet.spawn(main, app).add_done_callback(lambda _: app.release())))
app.run(None)

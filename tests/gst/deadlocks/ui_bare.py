"""Stop in the thread of the window, while a callback waits for that thread to show a picture."""

import threading
from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

Gst.init(None)
pipeline: Any = Gst.parse_launch("videotestsrc ! queue ! appsink name=sink emit-signals=true")
loop = GLib.MainLoop()
waiting = threading.Event()


def new_sample(sink: Gst.Element) -> Gst.FlowReturn:
    shown = threading.Event()
    GLib.idle_add(shown.set)
    waiting.set()
    shown.wait()  # hangs
    return Gst.FlowReturn.OK


def clicked_stop() -> None:
    waiting.wait()
    pipeline.set_state(Gst.State.NULL)  # hangs
    loop.quit()


pipeline.get_by_name("sink").connect("new-sample", new_sample)
pipeline.set_state(Gst.State.PLAYING)
GLib.idle_add(clicked_stop)
loop.run()

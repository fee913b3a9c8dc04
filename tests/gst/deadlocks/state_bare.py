"""Ask in a callback whether the pipeline has reached its state: it does when this very callback returns."""

from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

Gst.init(None)
pipeline: Any = Gst.parse_launch("videotestsrc ! appsink name=sink emit-signals=true")


def first_picture(sink: Gst.Element) -> Gst.FlowReturn:
    print(pipeline.get_state(Gst.CLOCK_TIME_NONE))  # hangs
    return Gst.FlowReturn.OK


pipeline.get_by_name("sink").connect("new-preroll", first_picture)
pipeline.set_state(Gst.State.PAUSED)
GLib.MainLoop().run()

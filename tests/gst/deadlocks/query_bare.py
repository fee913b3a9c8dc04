"""Ask a queue in an appsink's callback to drain: what is before the question goes through this very callback."""

from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

Gst.init(None)
pipeline: Any = Gst.parse_launch("videotestsrc ! queue name=cut ! appsink name=sink emit-signals=true")
pad = pipeline.get_by_name("cut").get_static_pad("sink")


def new_sample(sink: Gst.Element) -> Gst.FlowReturn:
    print(pad.query(Gst.Query.new_drain()))  # hangs
    return Gst.FlowReturn.OK


pipeline.get_by_name("sink").connect("new-sample", new_sample)
pipeline.set_state(Gst.State.PLAYING)
GLib.MainLoop().run()

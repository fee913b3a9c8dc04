"""Seek in an appsink's callback: the seek waits for the stream, and the stream for this very callback."""

from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

Gst.init(None)
pipeline: Any = Gst.parse_launch("videotestsrc ! queue ! appsink name=sink emit-signals=true")


def new_sample(sink: Gst.Element) -> Gst.FlowReturn:
    sink.emit("pull-sample")
    pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, 10 * Gst.SECOND)  # hangs
    return Gst.FlowReturn.OK


pipeline.get_by_name("sink").connect("new-sample", new_sample)
pipeline.set_state(Gst.State.PLAYING)
GLib.MainLoop().run()

"""Stop after the first picture, in the callback that sees it: NULL waits for the end of this very callback."""

from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

Gst.init(None)
pipeline: Any = Gst.parse_launch("videotestsrc ! queue ! fakesink name=sink signal-handoffs=true")
loop = GLib.MainLoop()


def first_picture(sink: Gst.Element, buffer: Gst.Buffer, pad: Gst.Pad) -> None:
    pipeline.set_state(Gst.State.NULL)  # hangs
    loop.quit()


pipeline.get_by_name("sink").connect("handoff", first_picture)
pipeline.set_state(Gst.State.PLAYING)
loop.run()

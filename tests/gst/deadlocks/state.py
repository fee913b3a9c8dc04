"""The same: no callback, and pause() returns when the state is reached."""

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

from gleenlet.gst import pipeline

with pipeline("videotestsrc ! appsink") as p:
    p.pause()
    print(p.pipeline.get_state(0)[1] == Gst.State.PAUSED)

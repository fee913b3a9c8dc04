"""The same in a loop over samples."""

from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

from gleenlet import run
from gleenlet.gst import pipeline, samples


def main() -> None:
    with pipeline("videotestsrc ! queue ! appsink name=sink") as p:
        p.play()
        for sample in samples(p.get_by_name("sink")):
            buffer: Any = sample.get_buffer()
            time = sample.get_segment().to_stream_time(Gst.Format.TIME, buffer.pts)
            print(time // Gst.SECOND)
            if time >= 10 * Gst.SECOND:
                break
            p.seek(10)


run(main)

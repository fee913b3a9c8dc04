"""A GStreamer pipeline driven to its end by straight-line code, while another task polls its position.

Output:
playing
position: 1.00 of 1.0 s
end of stream after 30 frames
"""

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

from gleenlet import run, sleep, spawn
from gleenlet.gst import Pipeline, pipeline

TEST_PICTURE = (
    "videotestsrc num-buffers=30 ! video/x-raw,framerate=30/1,width=64,height=48 ! fakesink name=sink sync=true"
)


def watch(p: Pipeline) -> None:
    """Ask for the position every 20 ms."""
    while (position := p.position()) is not None and position < 0.9:
        sleep(0.02)


def main() -> None:
    with pipeline(TEST_PICTURE) as p:
        p.play()
        print("playing")
        watching = spawn(watch, p)
        p.wait_eos()
        watching.cancel()
        print(f"position: {p.position():.2f} of {p.duration()} s")
        stats: Gst.Structure = p.get_by_name("sink").get_property("stats")
        print(f"end of stream after {stats.get_value('rendered')} frames")


run(main)

"""A GStreamer pipeline driven to its end by straight-line code, while another task polls its position.

Output:
playing
position: ... of 1.0 s
end of stream after 30 frames
"""

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

from gleenlet import Cancelled, run, sleep, spawn, wait_signal

Gst.init(None)


def positions(pipeline: Gst.Pipeline) -> float:
    """Poll the position every 20 ms until cancelled; return the last one, in seconds."""
    last = 0.0
    try:
        while True:
            known, position = pipeline.query_position(Gst.Format.TIME)
            if known:
                last = position / Gst.SECOND
            sleep(0.02)
    except Cancelled:
        return last


def main() -> None:
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=30 ! video/x-raw,framerate=30/1,width=64,height=48 ! fakesink name=sink sync=true"
    )
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    pipeline.set_state(Gst.State.PLAYING)
    wait_signal(bus, "message::async-done")
    print("playing")
    poll = spawn(positions, pipeline)
    wait_signal(bus, "message::eos")
    poll.cancel()
    print(f"position: {poll.result():.2f} of 1.0 s")
    stats = pipeline.get_by_name("sink").get_property("stats")
    print(f"end of stream after {stats.get_value('rendered')} frames")
    pipeline.set_state(Gst.State.NULL)
    bus.remove_signal_watch()


run(main)

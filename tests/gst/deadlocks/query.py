"""The same in a loop over samples: they are taken while a thread waits for the answer."""

from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

from gleenlet import run, spawn, to_thread
from gleenlet.gst import pipeline, samples


def main() -> None:
    with pipeline("videotestsrc ! queue name=cut ! appsink name=sink sync=false") as p:
        pad: Any = p.get_by_name("cut").get_static_pad("sink")
        p.play()
        drains = spawn(to_thread, pad.query, Gst.Query.new_drain())
        for _ in samples(p.get_by_name("sink")):
            if drains.done():
                break
        print("drained:", drains.result())


run(main)

"""The same: an error that names the streaming thread; and as it suggests, a task that stops the pipeline."""

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

from gleenlet import Event, GleenletError, run, spawn
from gleenlet.gst import pipeline


def main() -> None:
    with pipeline("videotestsrc ! queue name=cut ! fakesink name=sink signal-handoffs=true") as p:
        playing, stopped = Event(), Event()

        def stop() -> None:
            playing.wait()  # else play() is told that another state was given, if the picture is that early
            p.state(Gst.State.NULL)
            stopped.set()

        def first_picture(sink: Gst.Element, buffer: Gst.Buffer, pad: Gst.Pad) -> None:
            sink.disconnect(handler)
            try:
                p.state(Gst.State.NULL)
            except GleenletError as error:
                print(error)
            p.hub.call_soon_threadsafe(spawn, stop)

        handler = p.get_by_name("sink").connect("handoff", first_picture)
        p.play()
        playing.set()
        stopped.wait()
    print("stopped")


run(main)

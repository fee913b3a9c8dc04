"""The same: NULL is waited for by a task, and the loop goes on; so does the callback that waits for it."""

import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

from gleenlet import run, to_thread
from gleenlet.gst import pipeline

waiting = threading.Event()


def new_sample(sink: Gst.Element) -> Gst.FlowReturn:
    shown = threading.Event()
    GLib.idle_add(shown.set)
    waiting.set()
    shown.wait()
    return Gst.FlowReturn.OK


def main() -> None:
    with pipeline("videotestsrc ! queue ! appsink name=sink emit-signals=true") as p:
        p.get_by_name("sink").connect("new-sample", new_sample)
        p.play()
        to_thread(waiting.wait)
    print("stopped")


run(main)

"""Transcodes several files to Opus at once: each has its progress, its cancel button and its errors.

usage: transcoder.py FILE ...
Without files it makes some itself, transcodes them and a file that is no music, cancels the longest, and closes.

Output:
broken.ogg: failed, ...
long.ogg: cancelled, nothing left of it
short.ogg: done, 2.0 s
tone.ogg: done, 5.0 s
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import gi

gi.require_versions({"Gst": "1.0", "Gtk": "4.0"})
from gi.repository import Gtk

from gleenlet import Cancelled, Task, sleep, spawn
from gleenlet.gst import Pipeline, PipelineError, pipeline
from gleenlet.gtk import tasks_of

TRANSCODE = "filesrc name=source ! decodebin ! audioconvert ! audioresample ! opusenc ! oggmux ! filesink name=target"


def transcode(source: Path, target: Path, row: Row) -> float:
    """Write `target`, and nothing if that fails or is cancelled; return how many seconds of sound it has."""
    try:
        with pipeline(TRANSCODE) as p:
            p.get_by_name("source").set_property("location", str(source))
            p.get_by_name("target").set_property("location", str(target))
            p.play()
            follows = spawn(follow, p, row)
            try:
                p.wait_eos()
            finally:
                follows.cancel()
            return p.duration() or 0.0
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def follow(p: Pipeline, row: Row) -> None:
    while True:
        position, duration = p.position(), p.duration()
        if position and duration:
            row.bar.set_fraction(position / duration)
        sleep(0.02)


class Row(Gtk.Box):
    """A file: its name, how far it is, and a button to cancel it."""

    def __init__(self, source: Path) -> None:
        super().__init__(spacing=12)
        self.source = source
        self.state = "waiting"
        self.label = Gtk.Label(label=source.name, xalign=0, hexpand=True)
        self.bar = Gtk.ProgressBar(valign=Gtk.Align.CENTER, width_request=200)
        self.cancel = Gtk.Button(icon_name="process-stop-symbolic", tooltip_text="Cancel")
        for widget in (self.label, self.bar, self.cancel):
            self.append(widget)

    def run(self) -> None:
        """A task's: transcode, and show how that went."""
        target = self.source.with_suffix(".opus")
        try:
            seconds = transcode(self.source, target, self)
            self.bar.set_fraction(1)
            self.show_state(f"done, {seconds:.1f} s")
        except PipelineError as error:
            self.show_state(f"failed, {error}")
        except Cancelled:
            self.show_state(
                "cancelled, " + ("what is left of it is there" if target.exists() else "nothing left of it")
            )
            raise

    def show_state(self, state: str) -> None:
        self.state = state
        self.label.set_text(f"{self.source.name}: {state}")
        self.cancel.set_sensitive(False)


class Window(Gtk.ApplicationWindow):
    """All files at once; closing it cancels what still runs."""

    def __init__(self, app: Gtk.Application, files: list[Path]) -> None:
        super().__init__(application=app, title="Transcoder", default_width=560)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, margin_top=12, margin_bottom=12)
        box.set_margin_start(12)
        box.set_margin_end(12)
        self.set_child(box)
        self.rows: dict[Row, Task[None]] = {}
        for file in files:
            row = Row(file)
            box.append(row)
            self.rows[row] = task = tasks_of(self).spawn(row.run, name=file.name)
            row.cancel.connect("clicked", lambda _button, task=task: task.cancel())


def make_tone(file: Path, seconds: int) -> None:
    with pipeline(f"audiotestsrc samplesperbuffer=4410 num-buffers={10 * seconds} ! audio/x-raw,rate=44100,channels=1 "
                  "! vorbisenc ! oggmux ! filesink name=target") as p:  # fmt: skip
        p.get_by_name("target").set_property("location", str(file))
        p.play()
        p.wait_eos()


def show_off(app: Gtk.Application, folder: Path) -> None:
    """A task's: make files, transcode them, press the button of the longest, and print how each went."""
    (folder / "broken.ogg").write_text("no music")
    for name, seconds in ("short", 2), ("tone", 5), ("long", 200):
        make_tone(folder / f"{name}.ogg", seconds)
    window = Window(app, sorted(folder.glob("*.ogg")))
    window.present()
    for row, task in window.rows.items():
        if row.source.name == "long.ogg":
            while not row.bar.get_fraction():
                sleep(0.01)
            row.cancel.emit("clicked")
        task.join()
    for row in window.rows:
        print(f"{row.source.name}: {row.state}")
    window.close()


def main() -> None:
    files = [Path(name) for name in sys.argv[1:]]
    app = Gtk.Application()
    with tempfile.TemporaryDirectory() as folder:

        def activate(_: Gtk.Application) -> None:
            if files:
                Window(app, files).present()
            else:
                app.hold()
                spawn(show_off, app, Path(folder)).add_done_callback(lambda _: app.release())

        app.connect("activate", activate)
        app.run([])


if __name__ == "__main__":
    main()

"""The transcoder of the examples, driven as a person would: its files, its buttons, its window's end."""

from __future__ import annotations

from pathlib import Path

from child import in_child
from gleenlet import Task, sleep, spawn
from gleenlet.gst import pipeline


def duration(file: Path) -> float | None:
    with pipeline("filesrc name=source ! decodebin ! fakesink") as p:
        p.get_by_name("source").set_property("location", str(file))
        p.pause()
        return p.duration()


@in_child(display=True, warns="")
def test_it_shows_progress_cancels_tells_errors_and_ends_with_its_window(tmp_path: Path) -> None:
    from examples.transcoder import Window, make_tone
    from gi.repository import Gtk  # the version that the example asks for

    def drive(app: Gtk.Application) -> None:
        (tmp_path / "broken.ogg").write_text("no music")
        for name, seconds in ("one", 1), ("two", 2), ("three", 200):
            make_tone(tmp_path / f"{name}.ogg", seconds)
        (tmp_path / "four.ogg").write_bytes((tmp_path / "three.ogg").read_bytes())
        window = Window(app, sorted(tmp_path.glob("*.ogg")))
        window.present()
        rows = {row.source.stem: row for row in window.rows}
        tasks = {row.source.stem: task for row, task in window.rows.items()}
        while not (rows["three"].bar.get_fraction() and rows["four"].bar.get_fraction()):
            sleep(0)
        assert not tasks["three"].done()
        rows["three"].cancel.emit("clicked")
        for name in ("three", "broken", "one", "two"):
            tasks[name].join()
            assert not rows[name].cancel.get_sensitive()
        assert rows["broken"].state.startswith("failed, typefind: ")
        assert {name: row.state for name, row in rows.items() if name not in ("broken", "four")} == {
            "three": "cancelled, nothing left of it",
            "one": "done, 1.0 s",
            "two": "done, 2.0 s",
        }
        assert [rows[name].bar.get_fraction() == 1 for name in ("three", "broken", "one", "two")] == [
            False, False, True, True,
        ]  # fmt: skip
        assert [round(duration(tmp_path / f"{name}.opus") or 0, 1) for name in ("one", "two")] == [1.0, 2.0]
        window.close()  # cancels the one that runs, if it still does
        tasks["four"].join()
        four = rows["four"].state.partition(",")[0]
        assert four in ("cancelled", "done")
        left = ["four.opus"] if four == "done" else []
        assert sorted(path.name for path in tmp_path.glob("*.opus")) == [*left, "one.opus", "two.opus"]

    def activate(app: Gtk.Application) -> None:
        app.hold()
        drives.append(spawn(drive, app))
        drives[0].add_done_callback(lambda _: app.release())

    drives: list[Task[None]] = []
    app = Gtk.Application()
    app.connect("activate", activate)
    app.run([])
    drives[0].result()

"""The transcoder of the examples, driven as a person would: its files, its buttons, its window's end."""

from __future__ import annotations

from pathlib import Path

from child import run_script

DRIVE = """
import sys
from pathlib import Path
sys.path.insert(0, "examples")
import transcoder
from transcoder import Gtk, Window, make_tone
from gleenlet import run, sleep, spawn
from gleenlet.gst import pipeline

folder = Path(sys.argv[1])


def duration(file):
    with pipeline("filesrc name=source ! decodebin ! fakesink") as p:
        p.get_by_name("source").set_property("location", str(file))
        p.pause()
        return p.duration()


def drive(app):
    (folder / "broken.ogg").write_text("no music")
    for name, seconds in ("one", 1), ("two", 2), ("three", 200):
        make_tone(folder / f"{name}.ogg", seconds)
    (folder / "four.ogg").write_bytes((folder / "three.ogg").read_bytes())
    window = Window(app, sorted(folder.glob("*.ogg")))
    window.present()
    rows = {row.source.stem: row for row in window.rows}
    tasks = {row.source.stem: task for row, task in window.rows.items()}
    while not (rows["three"].bar.get_fraction() and rows["four"].bar.get_fraction()):
        sleep(0)
    assert not tasks["three"].done()
    rows["three"].cancel.emit("clicked")
    for name in ("three", "broken", "one", "two"):
        tasks[name].join()
        print(name, rows[name].state, rows[name].bar.get_fraction() == 1, rows[name].cancel.get_sensitive())
    print([round(duration(folder / f"{name}.opus"), 1) for name in ("one", "two")])
    window.close()  # cancels the one that runs, if it still does
    tasks["four"].join()
    print("four", rows["four"].state.partition(",")[0])
    print(sorted(path.name for path in folder.glob("*.opus")))


app = Gtk.Application()
app.connect("activate", lambda app: app.hold() or spawn(drive, app).add_done_callback(lambda _: app.release()))
app.run()
"""


def test_it_shows_progress_cancels_tells_errors_and_ends_with_its_window(tmp_path: Path) -> None:
    outcome = run_script(DRIVE, str(tmp_path), display=True)
    assert outcome.status == 0, outcome.stderr
    assert [line for line in outcome.stderr.splitlines() if not line.startswith("MESA-")] == []
    three, broken, one, two, durations, four, files = outcome.stdout.splitlines()
    assert three == "three cancelled, nothing left of it False False"
    assert broken.startswith("broken failed, typefind: ")
    assert one == "one done, 1.0 s True False"
    assert two == "two done, 2.0 s True False"
    assert durations == "[1.0, 2.0]"
    assert four in ("four cancelled", "four done")
    assert ("four.opus" in files) == (four == "four done")
    assert files.replace("'four.opus', ", "") == "['one.opus', 'two.opus']"

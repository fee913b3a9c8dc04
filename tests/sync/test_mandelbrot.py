"""The window of the Mandelbrot example, closed before its picture is complete."""

from __future__ import annotations

from pathlib import Path

from child import run_script

DRIVE = """
import multiprocessing
import os
import sys
from pathlib import Path
from concurrent.futures import ProcessPoolExecutor

sys.path.insert(0, "examples")
from mandelbrot import HEIGHT, TILE, WIDTH, color, show, tile
from gleenlet import get_hub, sleep, spawn

futures, gates = [], [Path(sys.argv[1], name) for name in ("first", "second")]
for gate in gates:
    os.mkfifo(gate)


def submit(*args):
    futures.append(executor.submit(*args))
    if len(futures) == 3:  # then both processes read until somebody has written
        for gate in gates:
            executor.submit(gate.read_bytes)
    return futures[-1]


def close_early():
    while sum(future.done() for future in futures) < 3:
        sleep(0.001)
    from gi.repository import Gio
    Gio.Application.get_default().get_active_window().close()


with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
    closer = spawn(close_early)
    show(submit)
    for gate in gates:
        gate.write_bytes(b"go on")
print(len(futures), any(future.cancelled() for future in futures))
print([task for task in get_hub().tasks()])
rows = futures[0].result()
print(rows[1][:6] == color(0, 1) + color(1, 1), len(rows), len(rows[0]))
"""


def test_closing_the_window_calls_off_the_tiles_that_are_not_computed_yet(tmp_path: Path) -> None:
    outcome = run_script(DRIVE, str(tmp_path), display=True)
    assert outcome.status == 0, outcome.stderr
    assert [line for line in outcome.stderr.splitlines() if not line.startswith("MESA-")] == []
    assert outcome.stdout == "48 True\n[]\nTrue 40 120\n"

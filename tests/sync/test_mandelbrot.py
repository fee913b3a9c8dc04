"""The window of the Mandelbrot example, closed before its picture is complete."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from child import in_child
from gleenlet import get_hub, sleep, spawn


@in_child(display=True, warns="")
def test_closing_the_window_calls_off_the_tiles_that_are_not_computed_yet(tmp_path: Path) -> None:
    from examples.mandelbrot import color, show
    from gi.repository import Gio

    futures: list[Future[Any]] = []
    gates = [tmp_path / "first", tmp_path / "second"]
    for gate in gates:
        os.mkfifo(gate)

    def submit(*args: Any) -> Future[Any]:
        futures.append(executor.submit(*args))
        if len(futures) == 3:  # then both processes read until somebody has written
            for gate in gates:
                executor.submit(gate.read_bytes)
        return futures[-1]

    def close_early() -> None:
        while sum(future.done() for future in futures) < 3:
            sleep(0.001)
        Gio.Application.get_default().get_active_window().close()  # type: ignore[union-attr]

    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        spawn(close_early)
        show(submit)
        for gate in gates:
            gate.write_bytes(b"go on")
    assert len(futures) == 48
    assert any(future.cancelled() for future in futures)
    assert get_hub().tasks() == []
    rows = futures[0].result()
    assert rows[1][:6] == color(0, 1) + color(1, 1)
    assert (len(rows), len(rows[0])) == (40, 120)

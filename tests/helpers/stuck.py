"""Runs a program until it hangs: `python stuck.py program.py`. Then says where, and kills it.

It hangs when each of its lines that are marked `# hangs` is being executed, and none of its threads has moved
between two looks: the kernel says that each sleeps, and counts how often it was switched to. Knows nothing of
GStreamer.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

PROGRAM = sys.argv[1]
MARKED = {
    number: line.partition("# hangs")[0].strip()
    for number, line in enumerate(Path(PROGRAM).read_text().splitlines(), 1)
    if line.endswith("# hangs")
}


def executing() -> set[int]:
    """The marked lines that some thread is in."""
    lines = set()
    for frame in sys._current_frames().values():
        while frame is not None:
            if frame.f_code.co_filename == PROGRAM:
                lines.add(frame.f_lineno)
            frame = frame.f_back  # type: ignore[assignment]
    return lines & MARKED.keys()


def threads() -> dict[str, list[str]]:
    """What each thread but this one does, and how often it was switched to."""
    mine = str(threading.get_native_id())
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        if thread.name != mine:
            status = (thread / "status").read_text().splitlines()
            found[thread.name] = [line for line in status if "ctxt_switches" in line or line.startswith("State:")]
    return found


def watch() -> None:
    last: dict[str, list[str]] = {}
    while True:
        time.sleep(0.02)
        try:
            now = threads()
        except OSError:  # a thread has ended meanwhile
            continue
        asleep = all("State:\tS (sleeping)" in lines for lines in now.values())
        if now == last and asleep and MARKED and executing() == MARKED.keys():
            break
        last = now
    for line in MARKED.values():
        print("hangs in", line, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


threading.Thread(target=watch, daemon=True).start()
runpy.run_path(PROGRAM, run_name="__main__")

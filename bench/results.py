"""The results as bench/results.json holds them: medians, quartiles, ratios, and where they come from."""

from __future__ import annotations

import datetime
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from processes import Samples
from rows import Row

PACKAGES = ("gleenlet", "greenlet", "gevent", "PyGObject", "uvloop", "trio", "dbus-fast", "sdbus", "dasbus")
LIBRARIES = ("glib-2.0", "libdex-1")
Data = dict[str, Any]


def describe(tables: Mapping[str, tuple[Sequence[Row], str, Mapping[str, Samples]]], repeats: int) -> Data:
    """Each table: its rows, the peer that ratios refer to, and what was found."""
    return {
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "versions": versions(),
        "repeats": repeats,
        "tables": {
            name: [describe_row(row, base, found[row.key]) for row in rows]
            for name, (rows, base, found) in tables.items()
        },
    }


def describe_row(row: Row, base: str, samples: Samples) -> Data:
    peers: Data = {}
    for peer, figures in samples.figures.items():
        q1, median, q3 = quartiles(figures)
        peers[peer] = {"median": median, "q1": q1, "q3": q3, "samples": figures}
    if base in peers and row.unit != "share":
        ours = peers[base]["median"]
        for peer, found in peers.items():
            if peer != base:
                found["ratio"] = ratio(row, found["median"], ours)
    return {
        "key": row.key,
        "title": row.title,
        "unit": row.unit,
        "peers": peers,
        "failures": samples.failures,
    }


def quartiles(figures: Sequence[float]) -> tuple[float, float, float]:
    if len(figures) == 1:
        return figures[0], figures[0], figures[0]
    q1, median, q3 = statistics.quantiles(figures, n=4, method="inclusive")
    return q1, median, q3


def ratio(row: Row, theirs: float, ours: float) -> float | None:
    """How many times worse than ours, below 1 where better. None if there is no such number."""
    above, below = (ours, theirs) if row.more_is_better else (theirs, ours)
    return above / below if below and math.isfinite(above / below) else None


def machine() -> Data:
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    release = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "system": release}


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    for library in LIBRARIES:
        try:
            asked = subprocess.run(["pkg-config", "--modversion", library], capture_output=True, text=True)
        except FileNotFoundError:
            break
        if asked.returncode == 0:
            found[library] = asked.stdout.strip()
    return found

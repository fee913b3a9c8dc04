"""Runs the workloads, each sample in a fresh process, and collects what they print.

The rounds are the outer loop and the peers the inner one: whatever else the machine does meanwhile meets all
alike. Knows nothing of tables.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from native import compile_c
from rows import MODULES, Row

HERE = Path(__file__).parent
TIME_LIMIT = 120.0  # seconds for one process


@dataclass
class Samples:
    """What one row's peers have yielded so far."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


class Failure(Exception):
    """A workload's process failed; says how in one line."""


def installed(peers: Sequence[str]) -> list[str]:
    return [peer for peer in peers if peer == "gleenlet" or is_installed(peer)]


def is_installed(peer: str) -> bool:
    module = MODULES[peer.partition("@")[0]]
    if module is None:
        return compile_c("dex.c", "libdex-1") is not None
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent
        return False


def collect(rows: Sequence[Row], peers: Sequence[str], repeats: int, seconds: float) -> dict[str, Samples]:
    """Measure all rows `repeats` times in samples of at least `seconds`. The result is by the row's key."""
    environment = os.environ | {
        "ECHO_CLIENT": str(compile_c("echo_client.c")),
        "DBUS_PEER": str(compile_c("dbus_peer.c")),
        "GDBUS": str(compile_c("gdbus.c", "gio-2.0") or ""),
        "GEVENT_LOOP": "libev-cext",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users have compiled files: no import compiles them again
    found = {row.key: Samples() for row in rows}
    shared: dict[tuple[str, str | None], list[Row]] = {}
    for row in rows:
        shared.setdefault((row.workload, row.variant), []).append(row)
    operations: dict[tuple[str, str | None, str], int] = {}
    without: set[tuple[str, str | None, str]] = set()  # have no such workload, or failed at it

    for turn in range(repeats):
        for (workload, variant), family in shared.items():
            if turn >= family[0].most_repeats:
                continue
            progress(f"round {turn + 1} of {repeats}: {workload} {variant or ''}")
            first = turn % len(peers)
            for peer in [*peers[first:], *peers[:first]]:
                job = (workload, variant, peer)
                if job in without:
                    continue
                try:
                    figures, count = sample(family[0], peer, operations.get(job), seconds, environment)
                except Failure as failure:
                    without.add(job)
                    for row in family:
                        found[row.key].failures[peer] = str(failure)
                    continue
                if not figures:
                    without.add(job)
                if count is not None:
                    operations[job] = count
                for row in family:
                    if row.figure in figures:
                        found[row.key].figures.setdefault(peer, []).append(figures[row.figure])
    progress("")
    return found


def sample(
    row: Row, peer: str, operations: int | None, seconds: float, environment: dict[str, str]
) -> tuple[dict[str, float], int | None]:
    """Run one process; what it measured and the number of operations that took."""
    command = [*row.within, *program(row, peer)]
    if row.variant is not None:
        command.append(row.variant)
    command += ["--seconds", str(seconds)]
    if operations is not None:
        command += ["--operations", str(operations)]
    if shutil.which(command[0]) is None:
        raise Failure(f"{command[0]} is not installed")
    # A session of its own: with its time up, what it started goes as well.
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=TIME_LIMIT)
    except BaseException as reason:  # Ctrl-C as well: a session of its own does not get that
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(reason, subprocess.TimeoutExpired):
            raise Failure(f"no result within {TIME_LIMIT:.0f} s") from None
        raise
    lines = output.splitlines()
    if process.returncode or not lines:
        said = [line for line in errors.splitlines() if line.strip()]
        raise Failure(said[-1].strip() if said else f"ended with status {process.returncode} and no word")
    answer = json.loads(lines[-1])
    return answer["figures"], answer["operations"]


def program(row: Row, peer: str) -> list[str]:
    if peer == "libdex":
        return [str(compile_c("dex.c", "libdex-1")), row.workload]
    peer, _, tree = peer.partition("@")  # of another tree, with that one's Python and workloads
    folder = Path(tree, "bench") if tree else HERE
    python = str(Path(tree, ".venv/bin/python")) if tree else sys.executable
    return [python, str(folder / ("" if row.workload == "gtk_load" else "workloads") / f"{row.workload}.py"), peer]


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

"""Runs the children of the chaos program, tells how they ended, and makes what failed smaller.

It runs nothing of gleenlet: a crash, a hang or a wrong answer is a line of text and an exit status here.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.chaos.program import Program, paths, without

ROOT = Path(__file__).resolve().parents[3]
EPISODES = 100_000  # a child stops by its clock
NAMES = re.compile(r"(a (callback|greenlet) of )*#\d+( in \w+: \w+)?|0x\w+|\d+")
TAIL = 30  # lines of the output of what has failed
LONGEST = 60  # seconds beyond a child's own: then it hangs where its watchdog cannot see


@dataclass
class Report:
    """How a child ended."""

    seed: int
    status: int
    output: str
    episode: int = -1
    operations: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def what(self) -> str:
        """In a line."""
        if self.faults:
            return self.faults[0]
        if "Timeout (" in self.output:
            return "hangs"
        if self.status < 0:
            return f"killed by signal {-self.status}"
        return f"exit status {self.status}: {self.output.strip().splitlines()[-1:]}"

    @property
    def kind(self) -> str:
        """What a smaller program has to fail with as well."""
        if self.faults:
            return NAMES.sub("", self.faults[0])[:30]
        return "hangs" if "Timeout (" in self.output else "dies"


def settings(seed: int) -> dict[str, str]:
    """Environment variables that belong to a seed."""
    chance = random.Random(f"environment {seed}")
    found = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
    if chance.random() < 0.15:
        found["PYTHONMALLOC"] = "debug"
    if chance.random() < 0.15:
        found["GLEENLET_SLABS"] = "0"
    return found


def run_child(seed: int, episodes: str, seconds: float, drawing: list[str], program: Program | None = None) -> Report:
    """Run one; `drawing`: its options that say how programs are drawn."""
    command = [sys.executable, "-m", "tests.soak.chaos.child", str(seed), episodes]
    command += ["--seconds", str(seconds), *drawing]
    if random.Random(f"processor {seed}").random() < 0.2:
        command = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), *command]
    with tempfile.NamedTemporaryFile("w+", suffix=".json") as file, tempfile.TemporaryFile("w+") as out:
        if program is not None:
            json.dump(program, file)
            file.flush()
            command += ["--program", file.name]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | settings(seed),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            process.wait(min(seconds, 3600) + LONGEST)
        except subprocess.TimeoutExpired:
            out.write("\nTimeout (beyond its watchdog)")
        finally:
            with contextlib.suppress(ProcessLookupError):  # what it has forked goes with it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        report = Report(seed, process.returncode, out.read())
    for line in report.output.splitlines():
        word, _, rest = line.partition(" ")
        if word == "episode":
            report.episode = int(rest)
        elif word == "operations":
            report.operations = int(rest)
        elif word == "fault":
            report.faults.append(rest)
    return report


def fails(report: Report) -> bool:
    return report.status != 0 or bool(report.faults)


def smaller(report: Report, drawing: list[str], seconds: float) -> tuple[Program, Report]:
    """Leave operations out while the program fails in the same way, for so many seconds."""
    end = time.monotonic() + seconds
    number = f"{report.episode}:{report.episode + 1}"
    program = program_of(report.seed, number, drawing)

    def still_fails(candidate: Program, times: int = 2) -> Report | None:
        for _ in range(times):
            again = run_child(report.seed, number, 1e9, drawing, candidate)
            if fails(again) and again.kind == report.kind:
                return again
            if time.monotonic() > end:
                break
        return None

    best = still_fails(program, 5)
    if best is None:
        return program, report
    share = 0.5
    while share > 0 and time.monotonic() < end:
        everything = list(paths(program))
        step = max(1, int(len(everything) * share))
        shrunk = False
        for start in range(0, len(everything), step):
            candidate = without(program, set(everything[start : start + step]))
            found = still_fails(candidate) if candidate != program else None
            if found is not None:
                program, best, shrunk = candidate, found, True
                break
            if time.monotonic() > end:
                break
        if not shrunk:
            share = share / 2 if step > 1 else 0
    return program, best


def program_of(seed: int, episodes: str, drawing: list[str]) -> Program:
    """The first of these programs: a child knows the kinds of operation that it is drawn from."""
    command = [sys.executable, "-m", "tests.soak.chaos.child", str(seed), episodes, *drawing, "--print"]
    program: Program = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    return program


def run_children(
    first: int,
    jobs: int,
    minutes: float,
    operations: int,
    each: float,
    drawing: list[str],
    shrink: float,
    seeds_wanted: int = 10**9,
    episodes: int = EPISODES,
) -> tuple[int, list[int], list[Report]]:
    """Run seed after seed, `jobs` at a time, until the time is over or so many operations are done.

    Returns: the operations, the seeds and what failed.
    """
    end = time.monotonic() + 60 * minutes
    seed, total = first, 0
    seeds: list[int] = []
    failed: list[Report] = []
    with ThreadPoolExecutor(jobs) as pool:
        running: set[Future[Report]] = set()
        while True:
            left = end - time.monotonic()
            while (
                len(running) < jobs
                and left > 0
                and total < operations
                and len(failed) < 20
                and seed < first + seeds_wanted
            ):
                running.add(pool.submit(run_child, seed, str(episodes), min(each, left), drawing))
                seed += 1
            if not running:
                break
            try:
                done, running = wait(running, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:  # what runs comes to its end, and all that was done is told
                end = time.monotonic()
                continue
            for future in done:
                report = future.result()
                total += report.operations
                seeds.append(report.seed)
                if not fails(report):
                    continue
                failed.append(report)
                print(f"seed {report.seed}, episode {report.episode}: {report.what}", flush=True)
                if not shrink:
                    print("\n".join(report.output.splitlines()[-TAIL:]), flush=True)
                elif report.episode >= 0:
                    program, again = smaller(report, drawing, shrink)
                    if again is report:
                        print(
                            "\n".join(report.output.splitlines()[-TAIL:]),
                            "  not alone: the episodes before it matter",
                            sep="\n",
                        )
                    else:
                        print(f"  {len(list(paths(program)))} operations suffice: {json.dumps(program)}")
                        print(f"  {again.what}\n{again.output[-2000:]}", flush=True)
    return total, seeds, failed

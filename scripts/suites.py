"""What gevent_suite.py and asyncio_suite.py share: a test module in a child process, and the table of two loops."""

import argparse
import concurrent.futures
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell started us with `&`: no test of Ctrl-C would end
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Run(NamedTuple):
    """A child process that has ended."""

    status: int | None  # None: it took too long
    waits: int  # how often its loop waited through GLib, as the child wrote into its report
    seconds: float
    output: str

    @property
    def result(self) -> str:
        return "ok" if self.status == 0 else "hangs" if self.status is None else f"exit {self.status}"


class Outcome(NamedTuple):
    """What one run of a module came to."""

    result: str
    tests: dict[str, str] | int  # each test with ok, FAIL, ERROR, or how many there are
    run: Run

    def count(self) -> int:
        return self.tests if isinstance(self.tests, int) else len(self.tests)


Comparison = tuple[str, Outcome, Outcome]  # a module, plain and on our loop


def run(script: str, timeout: float, arguments: list[str], env: dict[str, str] | None = None) -> Run:
    """Run `script --child REPORT ARGUMENT...` in a directory of its own; the output goes to a file, as what the
    tests leave running would keep a pipe open."""
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as out:
        report = Path(directory, "report")
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-u", script, "--child", str(report), *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=env,
            cwd=directory,
            start_new_session=True,
        )
        try:
            status: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = None
        seconds = time.monotonic() - start
        out.seek(0)
        waits = int(report.read_text()) if report.exists() else 0
        return Run(status, waits, seconds, out.read().decode(errors="replace"))


def options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("-j", "--processes", type=int, default=2)
    parser.add_argument("--output", help="keep each module's output in this directory")
    parser.add_argument("modules", nargs="*")
    return parser.parse_args()


def table(
    asked: argparse.Namespace, modules: list[str], compare: Callable[[str], Comparison], ours: str
) -> list[Comparison]:
    """Compare all modules and print a line for each; `ours` is the name of our loop."""
    found = []
    width = max(map(len, ["module", *modules])) + 1
    print(f"{'module':{width}}{'tests':>6}{'waits':>8}{'plain s':>9}{f'{ours} s':>8}  plain | {ours}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(asked.processes) as pool:
        for module, plain, other in pool.map(compare, modules):
            verdict = plain.result if plain.result == other.result else f"{plain.result} | {other.result}"
            figures = f"{other.count():6}{other.run.waits:8}{plain.run.seconds:9.1f}{other.run.seconds:8.1f}"
            print(f"{module:{width}}{figures}  {verdict}", flush=True)
            found.append((module, plain, other))
            if asked.output:
                Path(asked.output, f"{module}.plain").write_text(plain.run.output)
                Path(asked.output, f"{module}.{ours}").write_text(other.run.output)
    return found


def report(found: list[str], usual: str) -> int:
    """Print the differences; the exit status."""
    print(f"{len(found)} differences from {usual}" + ":" * bool(found))
    for line in found:
        print(" ", line)
    return int(bool(found))

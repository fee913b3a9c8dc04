"""gevent's own test suite, plain and on GLib's loop: a table, every difference, and who really polled GLib.

usage: python scripts/gevent_suite.py [-j PROCESSES] [MODULE ...]      (all modules take about ten minutes)
"""

import argparse
import atexit
import concurrent.futures
import os
import re
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

LOOPS = {"plain": "libev-cext", "glib": "gleenlet.gevent.GLibLoop"}
TIMEOUT = 240


class Outcome(NamedTuple):
    """What one run of a module came to."""

    result: str
    tests: int
    polls: int
    seconds: float
    output: str


def child(module: str, polls: str, everywhere: bool) -> None:
    """Run one test module as `python -m` would, and leave behind how often its hub was handed to GLib.

    `everywhere`: the loops that the tests make by hand are GLib loops, too.
    """

    def count() -> None:
        native = sys.modules.get("gleenlet._libev")
        Path(polls).write_text(str(native.polls() if native else 0))

    parent = os.getpid()
    atexit.register(lambda: os.getpid() == parent and count())
    sys.path.insert(0, os.getcwd())
    if everywhere:
        import gevent.core

        import gleenlet.gevent

        gevent.core.loop = gleenlet.gevent.GLibLoop
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def run(module: str, loop: str, everywhere: bool = False) -> Outcome:
    with tempfile.TemporaryDirectory() as directory:
        polls = Path(directory, "polls")
        env = dict(os.environ, GEVENT_LOOP=LOOPS[loop], GEVENTTEST_QUIET="1", PYTHONWARNINGS="ignore")
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-u", __file__, "--child", f"gevent.tests.{module}", str(polls)]
            + ["everywhere"] * everywhere,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=env,
            cwd=directory,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            status = None
        text = output.decode(errors="replace")
        result = "ok" if status == 0 else "hangs" if status is None else f"exit {status}"
        failed = sorted(set(re.findall(r"^(?:FAIL|ERROR): (\w+)", text, re.MULTILINE)))
        if failed:
            result = "fails: " + " ".join(failed)
        tests = sum(map(int, re.findall(r"^Ran (\d+) test", text, re.MULTILINE)))
        polled = int(polls.read_text()) if polls.exists() else 0
        return Outcome(result, tests, polled, time.monotonic() - start, text)


def compare(module: str) -> tuple[str, Outcome, Outcome]:
    """Both runs; a module that differs gets a second chance on both sides: some tests depend on the clock."""
    plain, glib = run(module, "plain"), run(module, "glib")
    if not glib.polls and glib.result == plain.result:  # that proves little
        glib = run(module, "glib", everywhere=True)
    for _ in range(2):
        if plain.result == glib.result:
            break
        if plain.result == "ok":
            glib = run(module, "glib")
        else:
            plain = run(module, "plain")
    return module, plain, glib


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-j", "--processes", type=int, default=2)
    parser.add_argument("--output", help="keep each module's output in this directory")
    parser.add_argument("modules", nargs="*")
    arguments = parser.parse_args()

    import gevent.tests

    directory = Path(gevent.tests.__file__).parent
    modules = arguments.modules or sorted(path.stem for path in directory.glob("test_*.py"))
    differences: list[str] = []
    polled = tests = passed = 0
    print(f"gevent {gevent.__version__}, Python {sys.version.split()[0]}, {len(modules)} modules")
    print(f"{'module':44}{'tests':>6}{'polls':>8}{'plain s':>9}{'glib s':>8}  plain | glib")
    with concurrent.futures.ThreadPoolExecutor(arguments.processes) as pool:
        for module, plain, glib in pool.map(compare, modules):
            verdict = plain.result if plain.result == glib.result else f"{plain.result} | {glib.result}"
            print(
                f"{module:44}{glib.tests:6}{glib.polls:8}{plain.seconds:9.1f}{glib.seconds:8.1f}  {verdict}",
                flush=True,
            )
            polled += glib.polls > 0
            tests += glib.tests
            passed += glib.result == "ok"
            if plain.result != glib.result:
                differences.append(f"{module}: plain {plain.result}; on GLib {glib.result}")
            if arguments.output:
                Path(arguments.output, f"{module}.plain").write_text(plain.output)
                Path(arguments.output, f"{module}.glib").write_text(glib.output)
    print(f"\n{passed} of {len(modules)} modules pass on GLib, {tests} tests; {polled} modules polled GLib")
    print(f"{len(differences)} differences from plain gevent" + ":" * bool(differences))
    for line in differences:
        print(" ", line)
    return bool(differences)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        module, polls, *everywhere = sys.argv[2:]
        sys.argv[1:] = []
        child(module, polls, bool(everywhere))
    else:
        sys.exit(main())

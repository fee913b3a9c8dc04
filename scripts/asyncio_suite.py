"""CPython's own asyncio tests, on SelectorEventLoop and on EventLoop inside a task: a table and differences.

usage: python scripts/asyncio_suite.py [-j PROCESSES] [MODULE ...]      (all modules: about ten minutes)

The tests come from the `test` package of this Python (Debian: libpython3.11-testsuite and its like).
"""

import argparse
import concurrent.futures
import os
import pkgutil
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import NamedTuple

TIMEOUT = 300
SKIPPED = {"test_windows_events", "test_windows_utils", "test_proactor_events"}  # not for this system


class Outcome(NamedTuple):
    """What one run of a module came to."""

    result: str
    tests: dict[str, str]  # name -> ok, FAIL, ERROR, skipped
    parks: int  # how often a loop of ours waited through the hub
    seconds: float
    output: str


def child(module: str, loop: str, report: str) -> None:
    """Run one test module; with loop "task", in a task and with EventLoop for every SelectorEventLoop."""

    def tests() -> bool:
        suite = unittest.defaultTestLoader.loadTestsFromName(f"test.test_asyncio.{module}")
        result = unittest.TextTestRunner(verbosity=2, stream=sys.stderr).run(suite)
        return result.wasSuccessful()

    if loop == "plain":
        ok = tests()
    else:
        import asyncio

        import gleenlet
        import gleenlet.asyncio
        from gleenlet._aioloop import Selector

        class Loop(gleenlet.asyncio.EventLoop):
            """Some tests choose a selector; EventLoop has its own."""

            def __init__(self, selector: object = None) -> None:
                if selector is not None:
                    selector.close()
                super().__init__()

        selector_wait = Selector.wait
        parks = 0

        def wait(self: object, timeout: float | None) -> bool:
            nonlocal parks
            parks += 1
            return selector_wait(self, timeout)

        Selector.wait = wait
        unix = asyncio.unix_events
        if hasattr(unix, "_UnixDefaultEventLoopPolicy"):
            unix._UnixDefaultEventLoopPolicy._loop_factory = Loop
        for name in ("SelectorEventLoop", "EventLoop"):
            for namespace in (asyncio, unix):
                if hasattr(namespace, name):
                    setattr(namespace, name, Loop)
        ok = gleenlet.spawn(tests).result()
        Path(report).write_text(str(parks))
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(not ok)


def run(module: str, loop: str) -> Outcome:
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report")
        start = time.monotonic()
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(
                [sys.executable, "-u", __file__, "--child", module, loop, str(report)],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=directory,
                start_new_session=True,
            )
            try:
                status: int | None = process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                status = None
            out.seek(0)
            text = out.read().decode(errors="replace")
        parks = int(report.read_text()) if report.exists() else 0
    result = "ok" if status == 0 else "hangs" if status is None else f"exit {status}"
    tests = {}
    for name, where in re.findall(r"^(test\w*) \((test\.test_asyncio\.[\w.]+)\)", text, re.MULTILINE):
        tests.setdefault(f"{where.removeprefix('test.test_asyncio.')}.{name}".replace(f".{name}.", "."), "ok")
    for kind, name, where in re.findall(r"^(FAIL|ERROR): (\w+) \(test\.test_asyncio\.([\w.]+)\)", text, re.MULTILINE):
        tests[f"{where}.{name}".replace(f".{name}.", ".")] = kind
    if status == 1:
        result = f"{sum(kind != 'ok' for kind in tests.values())} fail"
    return Outcome(result, tests, parks, time.monotonic() - start, text)


def differences(plain: Outcome, task: Outcome) -> list[str]:
    found = [
        f"{name}: plain {plain.tests.get(name, 'not run')}; in a task {kind}"
        for name, kind in task.tests.items()
        if plain.tests.get(name) != kind
    ]
    found += [f"{name}: not run in a task" for name in plain.tests if name not in task.tests]
    if not found and plain.result != task.result:
        found = [f"plain {plain.result}; in a task {task.result}"]
    return found


def compare(module: str) -> tuple[str, Outcome, Outcome]:
    """Both runs; where they differ, both get a second chance: some tests depend on the clock."""
    plain, task = run(module, "plain"), run(module, "task")
    for _ in range(2):
        if not differences(plain, task):
            break
        if plain.result == "ok":
            task = run(module, "task")
        else:
            plain, task = run(module, "plain"), run(module, "task")
    return module, plain, task


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-j", "--processes", type=int, default=2)
    parser.add_argument("--output", help="keep each module's output in this directory")
    parser.add_argument("modules", nargs="*")
    arguments = parser.parse_args()
    try:
        import test.test_asyncio as tests
    except ImportError:
        version = ".".join(map(str, sys.version_info[:2]))
        print(f"{sys.executable} has no test.test_asyncio (Debian: apt install libpython{version}-testsuite)")
        return 2
    modules = arguments.modules or sorted(
        info.name for info in pkgutil.iter_modules(tests.__path__) if info.name.startswith("test_")
    )
    modules = [name for name in modules if name not in SKIPPED]
    found: list[str] = []
    passed = total = parks = 0
    print(f"Python {sys.version.split()[0]}, {len(modules)} modules")
    print(f"{'module':28}{'tests':>6}{'waits':>8}{'plain s':>9}{'task s':>8}  plain | in a task", flush=True)
    with concurrent.futures.ThreadPoolExecutor(arguments.processes) as pool:
        for module, plain, task in pool.map(compare, modules):
            verdict = plain.result if plain.result == task.result else f"{plain.result} | {task.result}"
            times = f"{plain.seconds:9.1f}{task.seconds:8.1f}"
            print(f"{module:28}{len(task.tests):6}{task.parks:8}{times}  {verdict}", flush=True)
            found += [f"{module}: {line}" for line in differences(plain, task)]
            passed += sum(kind == "ok" for kind in task.tests.values())
            total += len(task.tests)
            parks += task.parks
            if arguments.output:
                Path(arguments.output, f"{module}.plain").write_text(plain.output)
                Path(arguments.output, f"{module}.task").write_text(task.output)
    print(f"\n{passed} of {total} tests pass or are skipped in a task, which waited {parks} times")
    print(f"{len(found)} differences from SelectorEventLoop" + ":" * bool(found))
    for line in found:
        print(" ", line)
    return bool(found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        arguments = sys.argv[2:5]
        sys.argv[1:] = []
        child(*arguments)
    else:
        sys.exit(main())

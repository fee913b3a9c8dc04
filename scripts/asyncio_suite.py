"""CPython's own asyncio tests, on SelectorEventLoop and on EventLoop inside a task: a table and differences.

usage: python scripts/asyncio_suite.py [-j PROCESSES] [MODULE ...]      (all modules: about ten minutes)

The tests come from the `test` package of this Python (Debian: libpython3.11-testsuite and its like).
"""

import os
import pkgutil
import re
import sys
import unittest
from pathlib import Path

import suites
from suites import Comparison, Outcome

TIMEOUT = 300
SKIPPED = {"test_windows_events", "test_windows_utils", "test_proactor_events"}  # not for this system


def child(report: str, module: str, loop: str) -> None:
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
        from gleenlet.asyncio._selector import Selector

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
    ended = suites.run(__file__, TIMEOUT, [module, loop])
    text, tests = ended.output, {}
    for name, where in re.findall(r"^(test\w*) \((test\.test_asyncio\.[\w.]+)\)", text, re.MULTILINE):
        tests.setdefault(f"{where.removeprefix('test.test_asyncio.')}.{name}".replace(f".{name}.", "."), "ok")
    for kind, name, where in re.findall(r"^(FAIL|ERROR): (\w+) \(test\.test_asyncio\.([\w.]+)\)", text, re.MULTILINE):
        tests[f"{where}.{name}".replace(f".{name}.", ".")] = kind
    result = f"{sum(kind != 'ok' for kind in tests.values())} fail" if ended.status == 1 else ended.result
    return Outcome(result, tests, ended)


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


def compare(module: str) -> Comparison:
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
    asked = suites.options(__doc__.splitlines()[0])
    try:
        import test.test_asyncio as tests
    except ImportError:
        version = ".".join(map(str, sys.version_info[:2]))
        print(f"{sys.executable} has no test.test_asyncio (Debian: apt install libpython{version}-testsuite)")
        return 2
    modules = asked.modules or sorted(
        info.name for info in pkgutil.iter_modules(tests.__path__) if info.name.startswith("test_")
    )
    modules = [name for name in modules if name not in SKIPPED]
    print(f"Python {sys.version.split()[0]}, {len(modules)} modules")
    compared = suites.table(asked, modules, compare, "task")
    kinds = [kind for _, _, task in compared for kind in task.tests.values()]
    parks = sum(task.run.waits for _, _, task in compared)
    print(f"\n{kinds.count('ok')} of {len(kinds)} tests pass or are skipped in a task, which waited {parks} times")
    found = [f"{module}: {line}" for module, plain, task in compared for line in differences(plain, task)]
    return suites.report(found, "SelectorEventLoop")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        arguments = sys.argv[2:5]
        sys.argv[1:] = []
        child(*arguments)
    else:
        sys.exit(main())

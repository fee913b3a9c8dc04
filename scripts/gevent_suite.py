"""gevent's own test suite, plain and on GLib's loop: a table, every difference, and who really polled GLib.

usage: python scripts/gevent_suite.py [-j PROCESSES] [MODULE ...]      (all modules take about ten minutes)
"""

import atexit
import os
import re
import runpy
import sys
from pathlib import Path

import suites
from suites import Comparison, Outcome

LOOPS = {"plain": "libev-cext", "glib": "gleenlet.gevent.GLibLoop"}
TIMEOUT = 240


def child(polls: str, module: str, everywhere: bool) -> None:
    """Run one test module as `python -m` would, and leave behind how often its hub was handed to GLib.

    `everywhere`: the loops that the tests make by hand are GLib loops, too.
    """

    def count() -> None:
        native = sys.modules.get("gleenlet.gevent._libev")
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
    env = dict(os.environ, GEVENT_LOOP=LOOPS[loop], GEVENTTEST_QUIET="1", PYTHONWARNINGS="ignore")
    ended = suites.run(__file__, TIMEOUT, [f"gevent.tests.{module}"] + ["everywhere"] * everywhere, env)
    failed = sorted(set(re.findall(r"^(?:FAIL|ERROR): (\w+)", ended.output, re.MULTILINE)))
    result = "fails: " + " ".join(failed) if failed else ended.result
    return Outcome(result, sum(map(int, re.findall(r"^Ran (\d+) test", ended.output, re.MULTILINE))), ended)


def compare(module: str) -> Comparison:
    """Both runs; a module that differs gets a second chance on both sides: some tests depend on the clock."""
    plain, glib = run(module, "plain"), run(module, "glib")
    if not glib.run.waits and glib.result == plain.result:  # that proves little
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
    asked = suites.options(__doc__.splitlines()[0])

    import gevent.tests

    directory = Path(gevent.tests.__file__).parent
    modules = asked.modules or sorted(path.stem for path in directory.glob("test_*.py"))
    print(f"gevent {gevent.__version__}, Python {sys.version.split()[0]}, {len(modules)} modules")
    compared = suites.table(asked, modules, compare, "glib")
    passed = sum(glib.result == "ok" for _, _, glib in compared)
    tests = sum(glib.count() for _, _, glib in compared)
    polled = sum(glib.run.waits > 0 for _, _, glib in compared)
    print(f"\n{passed} of {len(modules)} modules pass on GLib, {tests} tests; {polled} modules polled GLib")
    found = [
        f"{module}: plain {plain.result}; on GLib {glib.result}"
        for module, plain, glib in compared
        if plain.result != glib.result
    ]
    return suites.report(found, "plain gevent")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        polls, module, *everywhere = sys.argv[2:]
        sys.argv[1:] = []
        child(polls, module, bool(everywhere))
    else:
        sys.exit(main())

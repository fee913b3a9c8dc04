"""One process of the chaos program: `python -m tests.soak.chaos.child SEED EPISODES`, or with a program to read.

An episode is one random program, run to its end in one of several ways. A seed decides about the process as well:
gevent beside, no descriptors at first, its end at a random moment.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import json
import os
import random
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from typing import Any

from gi.repository import GLib
from tests.soak.chaos.operations import endings
from tests.soak.chaos.program import Program, make
from tests.soak.chaos.world import PATIENCE, ChaosError, World, report_unraisable

import gleenlet
from gleenlet._sync.daemons import MAX_THREADS

WATCHDOG = 4 * PATIENCE  # seconds for an episode


def weights_of(text: str) -> dict[str, float]:
    """ "name=3,other=0": what kinds of operation weigh instead of their usual."""
    return {name: float(weight) for name, _, weight in (one.partition("=") for one in text.split(",") if one)}


def drive_by(number: int) -> Any:
    """How the loop is run while an episode lasts; None: iteration by iteration."""
    loop = GLib.MainLoop.new(None, False)

    def run_loop() -> None:
        GLib.timeout_add(1, loop.quit)
        GLib.MainLoop.run(loop)

    def run_task() -> None:
        with contextlib.suppress(ChaosError):  # a trace function of the program's fails at any task
            gleenlet.run(gleenlet.sleep, 0.0005)

    return (
        None,
        run_loop,
        run_task,
        lambda: gleenlet.sleep(0.0005),
        lambda: gleenlet.spawn(gleenlet.sleep, 0.0002).join(),
    )[number % 5]


def episode(program: Program, number: int) -> World:
    world = World(gleenlet.get_hub())
    for start in range(0, len(program), 6):  # a task each, so that a failure does not end all
        world.spawn(program[start : start + 6], 0)
    drive = drive_by(number)
    for _ in range(2 if drive is not None else 0):
        drive()
        world.go_on_as_child()
    world.end()
    if number % 20 == 0:
        world.check_hub()
    return world


def report(error_type: type[BaseException], error: BaseException, traceback: Any) -> None:
    """Failures that nobody waits for: those on purpose are expected."""
    if error_type is not ChaosError and not (
        isinstance(error, BaseExceptionGroup) and error.split(ChaosError)[1] is None
    ):
        faults_outside.append(f"reported: {error_type.__name__}: {error} {getattr(error, '__notes__', '')}")
        sys.__excepthook__(error_type, error, traceback)


faults_outside: list[str] = []


def kind_of_process(chance: random.Random, weights: dict[str, float]) -> str:
    """What a process does beside its programs, mostly nothing; weighed as kinds of operation are."""
    kinds = {"plain": 5.0, "has_gevent_beside": 1.0, "begins_without_descriptors": 1.0, "exits_at_random": 1.0}
    return chance.choices(list(kinds), [weights.get(name, weight) for name, weight in kinds.items()])[0]


def begin_without_descriptors() -> None:
    """The first wait of all needs some."""
    gleenlet.get_hub()
    try:
        with endings.NoDescriptors():
            gleenlet.sleep(0.0001)
    except OSError as error:
        if error.errno != 24:
            raise
    gleenlet.sleep(0.0001)


def descriptors() -> Counter[str]:
    """How many of each kind are open."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found[os.readlink(f"/proc/self/fd/{name}").partition("[")[0]] += 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int)
    parser.add_argument("episodes", help="how many, or which: 7:8")
    parser.add_argument("--program", help="a file to read the program from")
    parser.add_argument("--weights", default="")
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--print", action="store_true", help="the first program, and run none")
    options = parser.parse_args()
    weights = weights_of(options.weights)
    first, _, last = options.episodes.rpartition(":")
    numbers = range(int(first or 0), int(last))
    if options.print:
        print(json.dumps(make(f"{options.seed}:{numbers.start}", options.size, weights)))
        return 0

    faulthandler.enable()
    sys.excepthook = report
    sys.unraisablehook = report_unraisable
    warnings.simplefilter("ignore")
    chance = random.Random(f"process {options.seed}")
    kind = kind_of_process(chance, weights)
    faulthandler.dump_traceback_later(WATCHDOG, exit=True)
    if kind == "has_gevent_beside":
        with contextlib.suppress(ImportError):
            from gleenlet.gevent import install

            install()
    elif kind == "begins_without_descriptors":
        begin_without_descriptors()
    baseline: Counter[str] = Counter()
    operations, end = 0, time.monotonic() + options.seconds
    for number in numbers:
        faulthandler.dump_traceback_later(WATCHDOG, exit=True)
        print("episode", number, flush=True)
        if options.program:
            with open(options.program) as file:
                program = json.load(file)
        else:
            program = make(f"{options.seed}:{number}", options.size, weights)
        world = episode(program, number)
        operations += world.operations
        print("operations", operations, flush=True)
        for text in [*faults_outside, *world.faults]:
            print("fault", text, flush=True)
        if world.faults or faults_outside:
            return 1
        del world
        if number == numbers.start + 5:
            gc.collect()
            baseline = descriptors()
        if time.monotonic() > end:
            break
    gc.collect()
    # Each of to_thread's threads may have come to a context and a loop of asyncio's meanwhile, which it keeps.
    if baseline and (more := descriptors() - baseline).total() > 10 + 5 * MAX_THREADS:
        print(
            "fault",
            f"descriptors that were not open after some programs: {dict(more)}",
            threading.enumerate(),
            flush=True,
        )
        return 1
    if kind == "exits_at_random":
        world = World(gleenlet.get_hub())
        world.spawn(make(f"{options.seed}:exit", options.size, weights), 0)
        for _ in range(chance.randrange(40)):
            GLib.MainContext.default().iteration(False)
        world.over = chance.random() < 0.5
    return 0


if __name__ == "__main__":
    try:
        status = main()
    except ChaosError:  # report() would take it for one on purpose
        traceback.print_exc()
        status = 1
    sys.exit(status)

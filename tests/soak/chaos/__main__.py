"""The chaos program: seeded random programs over every public name, in child processes, checked against a model.

`python -m tests.soak.chaos [minutes]`; `--seed N --episode E` runs one program again, and makes it smaller if it fails.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time

from tests.soak.chaos.driver import fails, run_child, run_children, smaller


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.chaos", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=10**9, help="how many of them")
    parser.add_argument("--episodes", type=int, default=10**5, help="programs a seed; else until --each is over")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="children at a time")
    parser.add_argument("--operations", type=int, default=10**12, help="stop after so many")
    parser.add_argument("--each", type=float, default=15, help="seconds for a child")
    parser.add_argument("--weights", default="", help="of kinds of operation: name=3,other=0")
    parser.add_argument("--size", default="300", help="operations a program")
    parser.add_argument("--shrink", type=float, default=60, help="seconds to make a failing program smaller; 0: none")
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--episode", type=int, help="of --seed")
    options = parser.parse_args()
    drawing = ["--weights", options.weights, "--size", options.size]
    if options.seed is not None:
        episode = options.episode or 0
        report = run_child(options.seed, f"{episode}:{episode + 1}", 1e9, drawing)
        print(report.output, report.what if fails(report) else "all is well")
        if fails(report) and options.shrink:
            program, again = smaller(report, drawing, options.shrink)
            print(json.dumps(program), again.output, sep="\n")
        return int(fails(report))
    for number in (signal.SIGINT, signal.SIGTERM):  # either stops it in order, also where it runs in the background
        signal.signal(number, signal.default_int_handler)
    begun = time.monotonic()
    total, seeds, failed = run_children(
        options.first,
        options.jobs,
        options.minutes,
        options.operations,
        options.each,
        drawing,
        options.shrink,
        options.seeds,
        options.episodes,
    )
    seconds = time.monotonic() - begun
    print(
        f"{total:,} operations in {seconds:.0f} s, {total / seconds:,.0f} a second; seeds {min(seeds)} to {max(seeds)}"
    )
    print(f"{len(failed)} failed: {[report.seed for report in failed]}" if failed else "all is well")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

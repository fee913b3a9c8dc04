"""Measures gleenlet beside its peers and prints one table; see --help.

python bench/run.py                              everything, in minutes; writes results and chart
python bench/run.py --quick                      a first look, about a minute
python bench/run.py --only yield,echo --peers gleenlet,gevent
python bench/run.py --only yield,echo --before ../another/tree      this tree and that one, sample by sample
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from chart import chart
from processes import collect, installed
from results import Data, describe
from rows import MODULES, TABLES, Row
from table import failures, table

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
CHART = HERE.parent / "docs" / "bench.svg"
HEADINGS = {
    "main": "workload",
    "gtk": "GTK 4 window beside",
    "gevent": "gevent's code, GLib timer at 60 Hz",
    "asyncio": "asyncio's code",
    "dbus": "D-Bus, echo of (si)",
    "debug": "gleenlet, looked at",
}


def main() -> None:
    options = parse()
    data = json.loads(options.show.read_text()) if options.show is not None else measure(options)
    print_tables(data)
    whole = not (options.only or options.peers or options.before or options.quick or options.show)
    json_path = options.json or (RESULTS if whole else None)
    if json_path is not None:
        json_path.write_text(json.dumps(data, indent=1) + "\n")
    svg_path = options.svg or (CHART if whole else None)
    if svg_path is not None:
        svg_path.parent.mkdir(exist_ok=True)
        svg_path.write_text(chart(data))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure gleenlet beside its peers, all in the same run.")
    parser.add_argument("--only", metavar="ROWS", type=names, help="only these, as: yield,echo,burn_frames")
    parser.add_argument("--peers", metavar="PEERS", type=names, help=f"only these of: {', '.join(MODULES)}")
    parser.add_argument("--before", metavar="TREE", type=Path, help="a tree that is set up: instead of the peers")
    parser.add_argument("--repeats", type=int, help="processes for each figure (5; 2 with --quick)")
    parser.add_argument("--quick", action="store_true", help="short samples, few repeats, no large rows")
    parser.add_argument("--json", type=Path, help="results go here (whole runs: bench/results.json)")
    parser.add_argument("--svg", type=Path, help="the chart goes here (whole runs: docs/bench.svg)")
    parser.add_argument("--show", metavar="JSON", type=Path, help="measure nothing, show these results")
    options = parser.parse_args()
    known = {row.key for rows, _ in TABLES.values() for row in rows}
    for name in options.only or ():
        if name not in known:
            parser.error(f"--only: no row {name}; there are {', '.join(sorted(known))}")
    for name in options.peers or ():
        if name not in MODULES:
            parser.error(f"--peers: no peer {name}; there are {', '.join(MODULES)}")
    return options


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def measure(options: argparse.Namespace) -> Data:
    repeats = options.repeats or (2 if options.quick else 5)
    seconds = 0.05 if options.quick else 0.2
    tables = {}
    missing: list[str] = []
    for name, (all_rows, its_peers) in TABLES.items():
        asked = [peer for peer in options.peers if name == "main" or peer in its_peers] if options.peers else its_peers
        if options.before is not None:
            asked = [its_peers[0], f"{its_peers[0]}@{options.before.resolve()}"]
        peers = installed(asked)
        missing += [peer for peer in asked if peer not in (*peers, *missing)]
        rows = chosen(all_rows, options) if peers else []
        found = collect(rows, peers, 1 if options.quick and name == "gtk" else repeats, seconds)
        tables[name] = (rows, its_peers[0], found)
    data = describe(tables, repeats)
    data["missing"] = missing
    return data


def chosen(rows: Sequence[Row], options: argparse.Namespace) -> list[Row]:
    if options.only:
        return [row for row in rows if row.key in options.only]
    return [row for row in rows if row.quick or not options.quick]


def print_tables(data: Data) -> None:
    print(", ".join(f"{name} {version}" for name, version in data["versions"].items()))
    print("{cpu}, {cores} cores, {system}".format(**data["machine"]))
    print(f"Medians of up to {data['repeats']} processes; below: times the first's, ± half the quartiles' gap.")
    for name, rows in data["tables"].items():
        if not rows:
            continue
        seen = {peer for row in rows for peer in (*row["peers"], *row["failures"])}
        columns = [peer for peer in MODULES if peer in seen or (name == "main" and peer in data["missing"])]
        columns += sorted(peer for peer in seen if "@" in peer)
        print()
        print(table(rows, columns, HEADINGS[name]))
        if failures(rows):
            print(failures(rows), file=sys.stderr)


if __name__ == "__main__":
    main()

"""Prints results as a text table: below each median its ratio to gleenlet's and its spread."""

from __future__ import annotations

from collections.abc import Sequence

from results import Data

TITLE_WIDTH = 40
CELL_WIDTH = 12


def table(rows: Sequence[Data], peers: Sequence[str], heading: str) -> str:
    widths = [max(CELL_WIDTH, len(peer) + 2) for peer in peers]

    def line(title: str, cells: Sequence[str]) -> str:
        return title.ljust(TITLE_WIDTH) + "".join(map(str.rjust, cells, widths))

    lines = [line(heading, peers)]
    for row in rows:
        cells = [cell(row, peer) for peer in peers]
        lines.append(line(row["title"], [upper for upper, _ in cells]))
        lower = line("", [lower for _, lower in cells]).rstrip()
        if lower:
            lines.append(lower)
    return "\n".join(lines)


def cell(row: Data, peer: str) -> tuple[str, str]:
    """The two lines of one cell: the figure, and below it ratio and spread."""
    if peer in row["failures"]:
        return "n/a", ""
    found = row["peers"].get(peer)
    if found is None:
        return "-", ""
    median = found["median"]
    spread = (found["q3"] - found["q1"]) / 2 / median * 100 if median else 0.0
    notes = [f"±{spread:.0f}%"] if len(found["samples"]) > 1 else []
    if "ratio" in found:
        notes.insert(0, "inf" if found["ratio"] is None else f"x{found['ratio']:.2f}")
    return quantity(median, row["unit"]), " ".join(notes)


def quantity(value: float, unit: str) -> str:
    """A figure with three digits and its unit: 233 ns, 1.22 us, 6.80 kB."""
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "share":
        return f"{value * 100:.0f} %"
    steps = ("B", "kB", "MB", "GB") if unit == "bytes" else ("ns", "us", "ms", "s")
    for step in steps:
        if abs(value) < 999.5 or step == steps[-1]:
            break
        value /= 1000
    digits = 0 if abs(value) >= 99.95 or step == "B" else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f} {step}"


def failures(rows: Sequence[Data]) -> str:
    """Why cells say n/a, one line for each reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for peer, reason in row["failures"].items():
            reasons.setdefault((peer, reason), []).append(row["key"])
    return "\n".join(f"n/a: {peer}, {', '.join(keys)}: {reason}" for (peer, reason), keys in reasons.items())

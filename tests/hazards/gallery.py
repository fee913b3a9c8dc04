"""`make gallery`: runs each hazard, bare and with gleenlet, in child processes, and prints a table."""

from __future__ import annotations

import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from child import HAZARDS, Outcome, run_script

WIDTHS = (24, 32, 22, 36)


@dataclass(frozen=True)
class Exhibit:
    """A row of the table: what it shows, a script without gleenlet and one with it."""

    shows: str
    bare: str | None
    cured: str | None
    display: bool = False

    @property
    def name(self) -> str:
        return (self.cured or self.bare or "").removesuffix("_bare.py").removesuffix(".py")


EXHIBITS = (
    Exhibit("a callback that returns () crashes, without any greenlet", "empty_tuple_bare.py", "empty_tuple.py"),
    Exhibit("the famous program, and one line of it changed", "famous_bare.py", "famous.py"),
    Exhibit("the famous program lives by hand, once its callback returns a bool", "real_bool_bare.py", None),
    Exhibit("the recommended recipe burns a core", "idle_spin_bare.py", "idle_spin.py"),
    Exhibit("a wait inside a signal handler", "switch_in_emission_bare.py", "switch_in_emission.py"),
    Exhibit(
        "the same, as the error suggests: green()",
        "switch_in_emission_bare.py",
        "switch_in_emission_green.py",
    ),
    Exhibit("a modal dialog while greenlets run", "nested_loop_bare.py", "nested_loop.py"),
    Exhibit("the same, greenlets started by hand", "nested_loop_bare.py", "nested_loop_shallow.py"),
    Exhibit("yielding tasks beside a window", "frame_starvation_bare.py", "frame_starvation.py", display=True),
    Exhibit("where a task may block", None, "what_may_block.py"),
)


def run(script: str, display: bool = False) -> Outcome:
    """Run one script of the gallery; famous.py has no end, so its time is short."""
    return run_script(HAZARDS / script, timeout=2 if script == "famous.py" else 60, display=display)


def describe(outcome: Outcome) -> str:
    """How it ended and, unless it was killed, what it printed; long lines are cut."""
    if outcome.signal:
        return str(outcome)
    lines = outcome.stdout.splitlines()
    if outcome.status > 0:
        lines = [re.sub(r"^[\w.]*\.", "", outcome.stderr.splitlines()[-1])]
    elif outcome.timed_out:
        lines = [" ".join(lines), str(outcome)]
    return "; ".join(textwrap.shorten(line.replace(f"{HAZARDS}/", ""), 140, placeholder=" ...") for line in lines)


def print_row(*cells: str) -> None:
    columns = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, WIDTHS, strict=True)]
    for i in range(max(map(len, columns))):
        parts = [(column[i] if i < len(column) else "").ljust(w) for column, w in zip(columns, WIDTHS, strict=True)]
        print("  ".join(parts).rstrip())


def main() -> None:
    seen: dict[str, str] = {}
    print_row("script", "what it shows", "bare", "with gleenlet")
    print_row(*("-" * width for width in WIDTHS))
    for exhibit in EXHIBITS:
        for script in (exhibit.bare, exhibit.cured):
            if script and script not in seen:
                seen[script] = describe(run(script, exhibit.display))
        print_row(exhibit.name, exhibit.shows, *(seen[s] if s else "-" for s in (exhibit.bare, exhibit.cured)))
        print(flush=True)


if __name__ == "__main__":
    main()

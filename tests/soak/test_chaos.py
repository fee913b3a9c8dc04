"""Random programs over every public name, in child processes, checked against a model: see chaos/README.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import gleenlet
from child import ROOT, TESTS

CHAOS = TESTS / "soak" / "chaos"

# Coverage would trace the children, whose programs have trace functions of their own. A busy machine may take its time.
ENVIRONMENT = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": "", "GLEENLET_CHAOS_PATIENCE": "60"}


def chaos(*options: str, minutes: str = "5", weights: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.soak.chaos", minutes, "--weights", weights, *options]
    return subprocess.run(command, cwd=ROOT, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False)


def test_some_random_programs_do_as_the_model_says() -> None:
    outcome = chaos("--first", "0", "--seeds", "3", "--episodes", "25", "--jobs", "1", "--each", "1e9", "--shrink", "0")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "seeds 0 to 2" in outcome.stdout


def test_a_fault_is_found_and_its_program_made_smaller() -> None:
    weights = "says_so=300,repeats=0"  # what is not named keeps its weight
    outcome = chaos(
        *("--seeds", "1", "--episodes", "20", "--size", "30", "--jobs", "1", "--each", "1e9", "--shrink", "1e9"),
        weights=weights,
    )
    assert outcome.returncode == 1, outcome.stderr
    assert "seed 0, episode " in outcome.stdout, outcome.stdout
    assert re.search(r'^  [1-3] operations suffice: .*\["says_so"\]', outcome.stdout, re.MULTILINE), outcome.stdout


def test_every_public_name_is_in_some_program() -> None:
    text = "".join(path.read_text() for path in CHAOS.glob("*.py"))
    prefix = r"(\bgleenlet\.|from gleenlet import .*\b)"
    assert [name for name in gleenlet.__all__ if not re.search(rf"{prefix}{name}\b", text)] == []


@pytest.mark.soak
def test_random_programs_for_minutes() -> None:
    outcome = chaos(minutes=os.environ.get("GLEENLET_CHAOS_MINUTES", "5"))
    print(outcome.stdout)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr

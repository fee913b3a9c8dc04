"""With one allocation failing at each point in turn all either works or raises MemoryError, and works afterwards."""

from __future__ import annotations

import sys

import pytest

from child import TESTS, run_script

pytest.importorskip("_testcapi")

WITHOUT_COVERAGE = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}  # it would be what fails


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="greenlet itself ends the process at other points there")
@pytest.mark.parametrize("work", ["spawn", "join", "group", "lock", "queue", "to_thread"])
def test_a_failed_allocation_is_a_memory_error_or_nothing(work: str) -> None:
    outcome = run_script(TESTS / "core" / "no_memory.py", work, "1", "80", timeout=300, env=WITHOUT_COVERAGE)
    assert outcome.status == 0, outcome.stderr
    ends = {line.partition(" ")[2]: int(line.partition(" ")[0]) for line in outcome.stdout.splitlines()}
    assert ends.keys() <= {"worked", "MemoryError", "ExceptionGroup", "ended by greenlet"}, outcome.stdout
    assert ends["MemoryError"]
    assert ends["worked"]

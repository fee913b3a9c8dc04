"""With one allocation failing at each point in turn all either works or raises MemoryError, and works afterwards.

Where the allocation was greenlet's own or PyGObject's own, they may end the process: a program without gleenlet shows
here that they do. It may not do more. And Python 3.12 and 3.13 free the code of a function whose `def` fails.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sysconfig
from collections import defaultdict
from pathlib import Path

import pytest

from child import TESTS, run_script

GOOD = {"worked", "MemoryError", "ExceptionGroup"}

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")


@pytest.fixture(scope="session")
def scarce(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a module that lets allocations fail."""
    folder = tmp_path_factory.mktemp("scarce")
    module = folder / f"scarce{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_paths()["include"]
    subprocess.run(
        ["cc", "-shared", "-fPIC", f"-I{include}", "-o", module, TESTS / "core" / "scarce.c", "-ldl"], check=True
    )
    return folder


@functools.cache
def ends(folder: Path, work: str) -> dict[str, set[str]]:
    """How points end, by whose the allocation was that failed."""
    program = TESTS / "core" / "no_memory.py"
    outcome = run_script(program, work, "1", "80", env={"PYTHONPATH": str(folder)}, covered=False)  # it would fail, too
    assert outcome.status == 0, outcome.stderr
    found = defaultdict(set)
    for line in outcome.stdout.splitlines():
        asked, _, end = line.partition(" ")[2].partition(": ")
        found[asked].add(end)
    return found


@pytest.mark.parametrize("work", ["spawn", "join", "group", "lock", "queue", "call", "to_thread"])
def test_a_failed_allocation_is_a_memory_error_or_nothing(work: str, scarce: Path) -> None:
    allowed: dict[str, set[str]] = defaultdict(lambda: GOOD)
    found = dict(ends(scarce, work))
    for asked, bare in {"greenlet": "bare_greenlets", "PyGObject": "bare_gio"}.items():
        if found.get(asked, GOOD) - GOOD and (asked == "greenlet" or work == "call"):
            allowed[asked] = GOOD | ends(scarce, bare)[asked]
    if found.get("def", GOOD) - GOOD and any(end.startswith("broken") for end in ends(scarce, "bare_def")["def"]):
        del found["def"]
    assert {asked: bad for asked, how in found.items() if (bad := how - allowed[asked])} == {}
    assert "worked" in found["nobody"]  # beyond the last allocation
    assert any("MemoryError" in how for how in found.values())

"""What is Linux's alone stands behind platform.h: the core works without it. `make plain` runs all tests so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from child import ROOT, uncovered
from gleenlet._core._native import PLATFORM

# Descriptors, wake-ups and the stack, which is all that the platform does.
TESTS = (
    "tests/glib/test_children.py",
    "tests/glib/test_unix_signals.py",
    "tests/core/test_waiter.py",
    "tests/core/test_unsafe_switch.py",
)
CHOICE = "(readable or writable or descriptor or deep or nested or greenlet) and not crowd and not thousand"

BUILD = """
import setuptools, setup
modules = [setup.extension(folder, setup.MODULES[folder]) for folder in ("core", "slabs")]
setuptools.setup(name="plain", ext_modules=modules)
"""


@pytest.mark.skipif(PLATFORM == "plain", reason="that is what runs")
@pytest.mark.skipif(not (ROOT / "src" / "native").exists() or not shutil.which("gcc"), reason="nothing to build with")
def test_the_core_works_on_glibs_own_polls(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "src" / "gleenlet", tmp_path / "gleenlet", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    where = ("-q", "build_ext", "--build-lib", str(tmp_path), "--build-temp", str(tmp_path / "temp"))
    built = subprocess.run(
        [sys.executable, "-c", BUILD, *where],
        cwd=ROOT, env={**os.environ, "GLEENLET_PLAIN": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert not built.returncode, built.stderr
    program = (
        "import sys, gleenlet, pytest; from gleenlet._core._native import PLATFORM\n"
        f"assert gleenlet.__file__.startswith({str(tmp_path)!r}) and PLATFORM == 'plain'\n"
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    options = ("-q", "-p", "no:cacheprovider", "-o", "addopts=", "--import-mode=importlib", "-k", CHOICE)
    # Not under coverage: its report would look for this copy's sources, which are gone by then.
    environment = uncovered() | {"PYTHONPATH": f"{tmp_path}:{ROOT / 'tests' / 'helpers'}"}
    tested = subprocess.run(
        [sys.executable, "-c", program, *options, *TESTS], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert not tested.returncode, tested.stdout
    assert "passed" in tested.stdout

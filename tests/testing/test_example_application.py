"""The tests of the example application pass: docs/howto/testing.md shows them."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from child import ROOT, run_script


@pytest.mark.skipif(find_spec("Xlib") is None, reason="python-xlib is not installed")
def test_its_tests_pass() -> None:
    folder = ROOT / "examples" / "testing"
    run = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    options = "-p", "pytest_gleenlet", "-p", "no:cacheprovider", "-q", f"--rootdir={folder}", f"-c{folder}/pytest.ini"
    outcome = run_script(
        run, *options, str(folder), env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "GSK_RENDERER": "cairo"}
    )
    assert re.search(r"8 passed", outcome.stdout), outcome.stdout + outcome.stderr
    assert "CRITICAL" not in outcome.stderr

"""The applications in examples/apps do what they say in a real window, and closing it in the middle leaves nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from child import ROOT, run_script, with_helpers

APPS = sorted((ROOT / "examples" / "apps").glob("*.py"))
DRIVER = Path(__file__).parent / "programs" / "apps.py"


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")
@pytest.mark.parametrize("app", APPS, ids=lambda path: path.stem)
def test_application_works_and_leaves_nothing(app: Path, tmp_path: Path) -> None:
    variables = with_helpers() | {"G_DEBUG": "fatal-warnings", "GSETTINGS_BACKEND": "memory"}
    outcome = run_script(DRIVER, app.stem, str(tmp_path / "picture.png"), display=True, bus=True, env=variables)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == "ok\n", outcome.stderr


@pytest.mark.parametrize("app", APPS, ids=lambda path: path.stem)
def test_application_is_short_and_has_its_picture_in_the_docs(app: Path) -> None:
    assert len(app.read_text().splitlines()) <= 150
    assert (ROOT / "docs" / "pictures" / f"{app.stem}.png").stat().st_size > 3_000

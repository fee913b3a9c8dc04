"""Each program of examples/gallery is used as its user would: its window, its dialogs, a screenshot, its end."""

from __future__ import annotations

import shutil
from pathlib import Path

import gi
import pytest

gi.require_version("GdkPixbuf", "2.0")
from gi.repository import GdkPixbuf

from child import ROOT, run_script, with_helpers
from complaints import complaints

EXAMPLES = sorted((ROOT / "examples" / "gallery").glob("*.py"))
USER = Path(__file__).parent / "programs" / "gallery.py"

pytestmark = pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_program_is_used_and_closed_and_leaves_nothing(path: Path, tmp_path: Path) -> None:
    outcome = run_script(USER, path.stem, str(tmp_path), display=True, env=with_helpers())
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == "ok\n", outcome.stderr
    assert complaints(outcome.stderr) == []
    if gi.version_info < (3, 44):
        return  # there is no screenshot: it knows no render nodes
    screenshot = GdkPixbuf.Pixbuf.new_from_file(str(tmp_path / "screenshot.png"))
    assert screenshot is not None
    pixels = screenshot.get_pixels()
    assert len({pixels[at : at + 3] for at in range(0, len(pixels), 4)}) > 20  # letters and edges: not blank

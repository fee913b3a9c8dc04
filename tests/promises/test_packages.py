"""What the packages say: one version everywhere, and a refusal where nothing was tried."""

import re
import subprocess
import sys

import gleenlet
from child import ROOT

UNTRIED = """
import runpy, setuptools, sys
sys.version_info = (3, 16, 0, "final", 0)
runpy.run_path("setup.py", run_name="__main__")
"""


def test_a_python_that_nobody_has_tried_is_refused_before_anything_is_built() -> None:
    built = subprocess.run([sys.executable, "-c", UNTRIED], capture_output=True, text=True, cwd=ROOT)
    assert built.returncode == 1
    assert "never tried with Python 3.16" in built.stderr
    assert "GLEENLET_UNTRIED=1" in built.stderr


def test_every_package_has_the_version_of_the_module() -> None:
    version = re.escape(gleenlet.__version__)
    assert re.match(rf"gleenlet \({version}-1\)", (ROOT / "packaging/debian/changelog").read_text())
    (metainfo,) = (ROOT / "packaging/flatpak").glob("*.metainfo.xml")
    assert re.search(rf'<release version="{version}"', metainfo.read_text())
    assert re.search(rf"^## \[{version}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_classifiers_name_the_pythons_that_wheels_are_built_for() -> None:
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    targets = (ROOT / "scripts/wheels/targets.py").read_text()
    assert re.findall(r'"(3\.\d+)"', targets.split("MACHINES")[0]) == named

"""Builds the source distribution and all wheels into a folder, twice, and compares; see --help."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .assemble import distribution, retarget
from .checks import check, digest, twine
from .compiler import ROOT
from .headers import Missing
from .targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.wheels", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the files land (dist)")
    parser.add_argument("--once", action="store_true", help="do not build a second time to compare")
    parser.add_argument("--only", default="", help="wheels whose name contains this, as cp313 or aarch64")
    options = parser.parse_args()
    if "SOURCE_DATE_EPOCH" not in os.environ:  # when the last change was made
        command = ["git", "log", "-1", "--format=%ct"]
        os.environ["SOURCE_DATE_EPOCH"] = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.strip()
    cache = ROOT / "build" / "wheels"
    files = build_all(options.out, cache, options.only)
    if not options.once:
        # The compiler would else give what it kept from the first time.
        os.environ["ZIG_GLOBAL_CACHE_DIR"] = os.environ["ZIG_LOCAL_CACHE_DIR"] = str(cache / "zig-again")
        shutil.rmtree(cache / "zig-again", ignore_errors=True)
        again = build_all(cache / "again", cache, options.only)
        differing = [file.name for file in files if digest(file) != digest(cache / "again" / file.name)]
        if differing or len(files) != len(again):
            print(f"built twice, and not the same: {', '.join(differing)}")
            return 1
        print(f"built twice: {len(files)} files, each the same, bit for bit")
    return 0


def build_all(out: Path, cache: Path, only: str) -> list[Path]:
    """Build everything into the folder `out` and check it; the files."""
    shutil.rmtree(out, ignore_errors=True)
    here = cache / "here"
    shutil.rmtree(here, ignore_errors=True)
    sdist, wheel = distribution(here)
    out.mkdir(parents=True)
    files = [sdist.rename(out / sdist.name)]
    for target in TARGETS:
        if only not in str(target):
            continue
        try:
            built = retarget(wheel, target, out, cache / "work", cache / "pythons")
        except Missing as reason:
            print(f"{target}: not built: {reason}")
            continue
        wrong = check(built, target)
        print(
            f"{built.name}: {built.stat().st_size // 1024} kB {digest(built)[:16]} {'; '.join(wrong) or 'ok'}",
            flush=True,
        )
        if wrong:
            sys.exit(1)
        files.append(built)
    twine(files)
    return files


if __name__ == "__main__":
    sys.exit(main())

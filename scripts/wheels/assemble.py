"""Puts a wheel together: the Python files of the build here and the extension modules of its target."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from .compiler import ROOT, build
from .sbom import write_sbom
from .targets import Target


def distribution(out: Path) -> tuple[Path, Path]:
    """Build the source distribution and, out of it, a wheel of the Python here; both land in the folder `out`."""
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)], check=True, cwd=ROOT)
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    normalize(sdist)
    return sdist, wheel


def normalize(sdist: Path) -> None:
    """Write the archive again with one time, one owner and sorted names."""
    moment = int(os.environ["SOURCE_DATE_EPOCH"])
    plain = io.BytesIO()
    with tarfile.open(sdist) as old, tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = moment, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    with sdist.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=moment) as packed:
        packed.write(plain.getvalue())


def retarget(wheel: Path, target: Target, out: Path, work: Path, cache: Path) -> Path:
    """Make the target's wheel out of the wheel of the Python here.

    Raises:
        headers.Missing: there are no headers of this Python.
    """
    folder = work / str(target)
    shutil.rmtree(folder, ignore_errors=True)
    run("unpack", "--dest", str(folder), str(wheel))
    (package,) = folder.iterdir()
    for module in package.rglob("*.so"):
        module.unlink()
    build(target, package, cache)
    (info,) = package.glob("*.dist-info")
    lines = (info / "WHEEL").read_text().splitlines()
    (info / "WHEEL").write_text(
        "\n".join(f"Tag: {target}" if line.startswith("Tag: ") else line for line in lines) + "\n"
    )
    write_sbom(info, target)
    for path in sorted(package.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)
    run("pack", "--dest-dir", str(out), str(package))
    return out / f"{package.name}-{target}.whl"


def run(*arguments: str) -> None:
    """Call the `wheel` tool, which takes its time from SOURCE_DATE_EPOCH."""
    subprocess.run([sys.executable, "-m", "wheel", *arguments], check=True, stdout=subprocess.DEVNULL)

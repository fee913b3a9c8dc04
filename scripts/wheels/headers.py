"""Python's headers for a target: out of Debian's packages, or of a Python of this machine.

Debian has a package of headers for each machine, which mmdebstrap downloads and unpacks without installing it. No
Debian has a 3.12: its headers are those of a `python3.12` on the PATH or of pyenv, whatever machine it is for. The two
machines differ there in nothing but assembler that Python itself uses (`HAVE_GCC_ASM_FOR_X64`, compared for 3.13).
The same headers serve musl, of which no Python can be had here: the sizes of C's types, which is what an extension
module takes from them, belong to the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .targets import Target

DEBIANS = {"3.11": "bookworm", "3.13": "trixie", "3.14": "sid", "3.15": "sid"}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Missing(Exception):
    """Python's headers for this target cannot be had."""


def include_dirs(target: Target, cache: Path) -> list[Path]:
    """The directories to look for Python.h and pyconfig.h in.

    Raises:
        Missing: there are none, and why.
    """
    debian = DEBIANS.get(target.python)
    if debian is None:
        return [of_a_python_here(target.python)]
    root = unpacked(debian, target.machine, cache) / "usr/include"
    # Debian's pyconfig.h asks for that of the machine by its folder's name.
    return [root / f"python{target.python}", root]


def of_a_python_here(version: str) -> Path:
    """The headers of a Python on the PATH or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pythons = [shutil.which(f"python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python{version}")]
    program = "import sysconfig; print(sysconfig.get_path('include'))"
    for python in filter(None, pythons):
        found = subprocess.run([python, "-c", program], capture_output=True, text=True)
        if found.returncode == 0 and Path(found.stdout.strip(), "Python.h").exists():
            return Path(found.stdout.strip())
    raise Missing(f"no Debian has Python {version}, and no python{version} with its headers is on the PATH or in pyenv")


def unpacked(debian: str, machine: str, cache: Path) -> Path:
    """A folder with a Debian's Python and what it needs to run: made once and kept.

    With the interpreter and GLib beside the headers an emulator can load what was built.
    """
    root = cache / f"{debian}-{machine}"
    done = root / "complete"
    if done.exists():
        return root
    if shutil.which("mmdebstrap") is None:
        raise Missing("mmdebstrap is missing: scripts/debian_packages.sh dist")
    shutil.rmtree(root, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    packages = ["base-files", "libstdc++6", "python3-gi", "gir1.2-glib-2.0", "python3-dev"]
    packages += [f"python{version}-dev" for version, of in DEBIANS.items() if of == debian]
    command = ["mmdebstrap", "--quiet", "--variant=extract", f"--architectures={ARCHITECTURES[machine]}"]
    # An archive that is a snapshot has a Release file past its date.
    command += ['--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Install-Recommends "false"']
    command += [f"--include={','.join(packages)}", debian, str(root)]
    failed = subprocess.run(command, capture_output=True, text=True)
    if failed.returncode:
        raise Missing(f"{' '.join(command)} failed: {failed.stderr.strip()[-500:]}")
    done.touch()
    return root

"""Builds the extension modules for any target, with zig's C compiler (clang with the headers of every C library)."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

from .headers import include_dirs
from .targets import Target

ROOT = Path(__file__).parents[2]
SETUP = runpy.run_path(str(ROOT / "setup.py"))  # its modules and flags, once

# As Python's own build does: NDEBUG and wrapping integers; no debug symbols; no path of this machine inside. clang
# warns of the `{NULL}` that ends a table, gcc knows better.
FLAGS = ["-DNDEBUG", "-fwrapv", "-fPIC", "-g0", "-Werror", "-Wno-missing-field-initializers"]
FLAGS += [f"-ffile-prefix-map={ROOT}=."]
LINK = ["-shared", "-s", "-Wl,--build-id=none", "-lunwind"]  # zig has an unwinder of its own, which it links in


def compiler() -> str:
    """The compiler's name and version, for the bill of materials."""
    version = subprocess.run([sys.executable, "-m", "ziglang", "version"], capture_output=True, text=True, check=True)
    return version.stdout.strip()


def build(target: Target, into: Path, cache: Path) -> list[Path]:
    """Build the target's extension modules below the folder `into`, which holds the package.

    Raises:
        headers.Missing: there are no headers of this Python.
        subprocess.CalledProcessError: the compiler refused.
    """
    includes = [f"-isystem{path}" for path in include_dirs(target, cache)]
    includes.append(f"-isystem{SETUP['greenlet_include']()}")
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", target.triple]
    built = []
    for folder, name in SETUP["MODULES"].items():
        sources = SETUP["sources"](folder)
        module = into.joinpath(*name.split(".")).with_suffix(target.suffix)
        flags = [*SETUP["FLAGS"], *SETUP["LTO"], *FLAGS, *LINK]
        subprocess.run([*zig, *flags, *includes, *map(str, sources), "-o", str(module)], check=True, cwd=ROOT)
        built.append(module)
    return built

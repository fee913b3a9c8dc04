"""Compiles the C programs of the benchmarks into bench/.build, each only when its source is newer."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
BUILT = HERE / ".build"


@functools.cache
def compile_c(source: str, package: str | None = None) -> Path | None:
    """The program made from bench/`source`, or None where pkg-config knows no `package`.

    Raises:
        RuntimeError: no compiler, or it refused; with what it said.
    """
    flags: list[str] = []
    if package is not None:
        pkg_config = shutil.which("pkg-config")
        if pkg_config is None:
            return None
        asked = subprocess.run([pkg_config, "--cflags", "--libs", package], capture_output=True, text=True)
        if asked.returncode:
            return None
        flags = asked.stdout.split()
    program = BUILT / Path(source).stem
    if program.exists() and program.stat().st_mtime > (HERE / source).stat().st_mtime:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("the benchmarks need a C compiler: install gcc")
    BUILT.mkdir(exist_ok=True)
    (BUILT / ".gitignore").write_text("*\n")
    command = [compiler, "-O2", "-o", str(program), str(HERE / source), *flags]
    compiled = subprocess.run(command, capture_output=True, text=True)
    if compiled.returncode:
        raise RuntimeError(f"{source} does not compile:\n{compiled.stderr}")
    return program

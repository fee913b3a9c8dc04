"""Builds the C modules; all else is in pyproject.toml."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("src/native")  # one folder an extension
MODULES = {
    "core": "gleenlet._core._native",
    "slabs": "gleenlet._core._slabs",
    "libev": "gleenlet.gevent._libev",
    "gvariant": "gleenlet.dbus._gvariant",
    "recorder": "gleenlet.debug._recorder",
}

# After the flags of the Python that builds: a distribution's own would put probes into the floor's padding
# (stack-clash) and slow down the hot path (stack-protector).
FLAGS = ["-O2", "-fno-stack-clash-protection", "-fno-stack-protector", "-fvisibility=hidden"]
LTO = ["-flto", "-O2"]  # a wait's way leads through several files of the core
FLAGS += ["-Wall", "-Wextra"]
if os.environ.get("GLEENLET_WERROR") == "1":
    FLAGS.append("-Werror")


def refuse_untried_python() -> None:
    """The core reads private fields of CPython: whether it may is tried for each version before it is named here."""
    if sys.version_info >= (3, 16) and os.environ.get("GLEENLET_UNTRIED") != "1":
        raise SystemExit(
            f"gleenlet was never tried with Python {sys.version_info[0]}.{sys.version_info[1]}: use Python 3.11 to 3.15"
            " or a later gleenlet, or set GLEENLET_UNTRIED=1 to build it all the same (its self-tests at import still "
            "refuse what would crash)"
        )


def greenlet_include() -> str:
    """The directory to include greenlet/greenlet.h from."""
    spec = find_spec("greenlet")
    if spec is None or spec.origin is None:
        raise SystemExit("greenlet is missing here: pip install 'greenlet>=3.0', then build gleenlet again")
    header = Path(spec.origin).with_name("greenlet.h")
    if not header.exists():
        raise SystemExit(f"greenlet came without its header {header}: pip install --force-reinstall greenlet")
    return str(header.parent.parent)


def sources(folder: str) -> list[Path]:
    """The files of an extension; of those for one system each, the one for Linux or the plain one (core/platform.h)."""
    other = "linux.c" if os.environ.get("GLEENLET_PLAIN") == "1" else "plain.c"
    return [path for path in sorted((NATIVE / folder).glob("*.c")) if path.name != other]


def extension(folder: str, name: str) -> Extension:
    return Extension(
        name,
        [str(path) for path in sources(folder)],
        include_dirs=[greenlet_include()],
        depends=[*map(str, sorted(NATIVE.glob("**/*.h"))), "setup.py"],
        extra_compile_args=FLAGS + LTO,
        extra_link_args=FLAGS + LTO,
    )


if __name__ == "__main__":  # scripts/dist reads the modules and flags from here
    refuse_untried_python()
    setup(ext_modules=[extension(folder, name) for folder, name in MODULES.items()])

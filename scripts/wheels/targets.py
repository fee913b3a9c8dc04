"""What wheels there are: a Python, a machine and a C library each."""

from __future__ import annotations

from dataclasses import dataclass

PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
MACHINES = ("x86_64", "aarch64")
LIBRARIES = ("gnu", "musl")

# PyGObject and GLib 2.74 need a later glibc than this one: whoever can use gleenlet has it.
PLATFORMS = {"gnu": "manylinux_2_28", "musl": "musllinux_1_2"}
ZIG_LIBRARIES = {"gnu": "gnu.2.28", "musl": "musl"}


@dataclass(frozen=True)
class Target:
    """One wheel."""

    python: str
    machine: str
    library: str

    @property
    def tag(self) -> str:
        """The wheel's tag, as `cp311`."""
        return "cp" + self.python.replace(".", "")

    @property
    def platform(self) -> str:
        """The wheel's platform, as `manylinux_2_28_x86_64`."""
        return f"{PLATFORMS[self.library]}_{self.machine}"

    @property
    def triple(self) -> str:
        """What zig calls the machine and its C library."""
        return f"{self.machine}-linux-{ZIG_LIBRARIES[self.library]}"

    @property
    def suffix(self) -> str:
        """How this Python's extension modules end (PEP 3149)."""
        return f".cpython-{self.tag[2:]}-{self.machine}-linux-{self.library}.so"

    def __str__(self) -> str:
        return f"{self.tag}-{self.tag}-{self.platform}"


TARGETS = tuple(Target(python, machine, library) for python in PYTHONS for machine in MACHINES for library in LIBRARIES)

"""GLib's libraries, as PyGObject has loaded them. What their files are called is Linux's; C has library.h for that."""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["loaded_library"]

RTLD_NOLOAD = 4  # <dlfcn.h>: only what is loaded already


def loaded_library(name: str) -> Any:
    """Return it, by its name for pkg-config. Its functions keep the GIL. Raises: OSError: it is not loaded.

    They are short. And a pointer that one returns and that is not ours, as that of a GSource, is good for as long as
    nobody drops it: no other thread of Python's is let in before the next call takes a reference.
    """
    return ctypes.PyDLL(f"lib{name}.so.0", mode=RTLD_NOLOAD)

"""GLib's libraries, as PyGObject has loaded them. What their files are called is Linux's; C has library.h for that."""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["loaded_library"]

RTLD_NOLOAD = 4  # <dlfcn.h>: only what is loaded already


def loaded_library(name: str) -> Any:
    """Return it, by its name for pkg-config. Raises: OSError: it is not loaded."""
    return ctypes.CDLL(f"lib{name}.so.0", mode=RTLD_NOLOAD)

"""A process without a free descriptor. Knows nothing of gleenlet."""

from __future__ import annotations

import os
import resource

__all__ = ["take_all_descriptors"]


def take_all_descriptors(limit: int = 128) -> list[int]:
    """Open some until none is free, and return them. The process's limit stays lowered: only for children."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    taken: list[int] = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        return taken

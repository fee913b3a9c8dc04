"""What gevent's monkey patching has replaced in other modules, as it was before."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["unpatched"]


def unpatched(module: str, name: str) -> Any:
    """What an imported module of Python's had by this name before gevent patched it, if it has."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original(module, name) if monkey else getattr(sys.modules[module], name)

"""Attributes of other libraries' modules and classes, replaced for a while. Knows nothing of loops."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["Patches"]

MISSING = object()


class Patches:
    """What `install` replaces, from the first `hold` to the last `release`."""

    def __init__(self, install: Callable[[Patches], None]) -> None:
        self.install = install
        self.holders = 0
        self.lock = threading.Lock()
        self.undo: list[Callable[[], object]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
        """Replace `owner.name` by `make(original)`."""
        own = vars(owner).get(name, MISSING)  # a class may inherit it, and PyGObject's modules look it up when asked
        original = getattr(owner, name)
        replacement = functools.wraps(original)(make(original))

        def put_back() -> None:
            if vars(owner).get(name) is not replacement:
                return  # somebody has replaced ours: what he keeps of it calls the original
            if own is MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, own)

        setattr(owner, name, replacement)
        self.undo.append(put_back)

    def when_imported(self, name: str, install: Callable[[ModuleType], None]) -> None:
        """Call `install(module)` now, or as soon as the module has been imported."""
        module = sys.modules.get(name)
        if module is not None:
            install(module)
            return
        finder = Finder(name, install)
        sys.meta_path.insert(0, finder)
        self.undo.append(lambda: sys.meta_path.remove(finder) if finder in sys.meta_path else None)

    def hold(self) -> None:
        with self.lock:
            self.holders += 1
            if self.holders == 1:
                self.install(self)

    def release(self) -> None:
        with self.lock:
            self.holders -= 1
            while self.undo and not self.holders:
                self.undo.pop()()

    @contextmanager
    def held(self) -> Iterator[None]:
        self.hold()
        try:
            yield
        finally:
            self.release()


class Finder(MetaPathFinder):
    """First of the import system's finders: has the others find the one module, and wraps its loader."""

    def __init__(self, name: str, install: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.install = install

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = Installer(spec.loader, self.install)
                return spec
        return None


class Installer(Loader):
    """Another loader, and then `install(module)`."""

    def __init__(self, loader: Any, install: Callable[[ModuleType], None]) -> None:
        self.loader = loader
        self.install = install

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        if hasattr(self.loader, "exec_module"):
            module: ModuleType | None = self.loader.create_module(spec)
        else:  # PyGObject before 3.44
            module = self.loader.load_module(spec.name)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if hasattr(self.loader, "exec_module"):
            self.loader.exec_module(module)
        self.install(module)

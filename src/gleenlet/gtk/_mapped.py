"""Wait until a widget is to be seen, or is not any more. Connects and looks; does not keep the widget alive."""

from __future__ import annotations

from typing import Any

from gleenlet._core import Waiter

__all__ = ["Mapped"]


class Mapped:
    """Whether a widget is mapped, for one task to wait for: a context manager."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget.weak_ref()
        self.handlers: list[int] = []
        self.waiter: Waiter | None = None

    def __enter__(self) -> None:
        widget = self.widget()
        if widget is not None:
            self.handlers = [widget.connect(signal, self.changed) for signal in ("map", "unmap")]

    def __exit__(self, *_: object) -> None:
        widget = self.widget()
        if widget is not None:
            for handler in self.handlers:
                if widget.handler_is_connected(handler):
                    widget.disconnect(handler)

    def changed(self, _widget: object) -> None:
        if self.waiter is not None:
            self.waiter.wake()

    def wait(self, wanted: bool) -> None:
        """Wait until the widget is mapped, or is not. It looks when the task runs: what came and went is no change."""
        while self.is_mapped() is not wanted:
            self.waiter = Waiter(None, None, "widget to be mapped" if wanted else "widget to be unmapped")
            try:
                self.waiter.wait()
            finally:
                self.waiter = None

    def is_mapped(self) -> bool:
        widget = self.widget()
        return widget is not None and widget.get_mapped()

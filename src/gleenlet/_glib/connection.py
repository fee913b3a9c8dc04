"""A connected handler that is dropped on every way out, and the look-out for the emitter's end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GObject

from gleenlet._core import GleenletError, get_hub, get_ident

__all__ = ["Connection", "check", "check_emitter", "from_any_thread", "gone_error", "weak_ref"]


def from_any_thread(function: Callable[..., object]) -> Callable[..., None]:
    """`function` for callbacks that may come from another thread: run on this thread's hub then."""
    hub, owner = get_hub(), get_ident()

    def run(*args: Any) -> None:
        if get_ident() == owner:
            function(*args)
        else:
            hub.call_soon_threadsafe(function, *args)

    return run


class Connection:
    """A connected handler and a look-out for the emitter's end, dropped together by `close`.

    Disposing an object drops its handlers without a word: who waits would wait for ever without `gone`.
    """

    __slots__ = ("emitter", "id")

    def __init__(
        self, obj: GObject.Object, signal: str, emitted: Callable[..., Any], gone: Callable[[], object]
    ) -> None:
        check(obj, signal)
        self.id: int = obj.connect(signal, emitted)
        self.emitter = weak_ref(obj, gone)

    def close(self) -> None:
        obj = self.emitter()
        if obj is None:
            return  # disposed: its handlers went with it
        self.emitter.unref()
        if obj.handler_is_connected(self.id):
            obj.disconnect(self.id)


def weak_ref(obj: GObject.Object, gone: Callable[[], object]) -> Any:
    """GObject's own weak reference, as the Python wrapper may go first. `gone` is called at dispose."""
    return obj.weak_ref(gone)


def check(obj: GObject.Object, signal: str) -> None:
    """Refuse what GObject would connect although it cannot be emitted; unknown signals it refuses itself."""
    check_emitter(obj)
    if not isinstance(signal, str):
        raise TypeError(
            f'signal must be a signal\'s name, such as "clicked" or "notify::title", not {type(signal).__name__}'
        )
    name, _, detail = signal.partition("::")
    if name == "notify" and detail:
        found = obj.find_property(detail)
        if found is None:
            raise TypeError(f"{obj!r} has no property {detail!r}, so {signal!r} is never emitted")
        if found.name != detail:
            raise TypeError(f'{signal!r} is never emitted: write "notify::{found.name}"')


def check_emitter(obj: object) -> None:
    if not isinstance(obj, GObject.Object):
        what = f"the class {obj.__name__}" if isinstance(obj, type) else type(obj).__name__
        raise TypeError(f"obj must be a GObject, which emits signals, not {what}")


def gone_error(obj: GObject.Object, signal: str) -> GleenletError:
    return GleenletError(f"{obj!r} was disposed: {signal!r} will not be emitted any more")

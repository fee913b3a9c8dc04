"""In which signal's handler a stack is: the emitter is among its arguments, and GObject knows what it emits."""

from __future__ import annotations

from types import FrameType

from gi.repository import GLib, GObject

__all__ = ["emission"]


def emission(frame: FrameType | None) -> str | None:
    """The innermost signal whose handler is on the stack from this frame on outwards; None: none.

    Thread: any, where that of the frame stands still meanwhile.
    """
    while frame is not None:
        code = frame.f_code
        names = code.co_varnames[: code.co_argcount + bool(code.co_flags & 4)]  # with *args
        if names:
            values = frame.f_locals
            for name in names:
                value = values.get(name)
                for one in value if type(value) is tuple else (value,):
                    found = emitted_by(one)
                    if found is not None:
                        return found
        frame = frame.f_back
    return None


def emitted_by(value: object) -> str | None:
    if not issubclass(type(value), GObject.Object):
        return None
    hint = GObject.signal_get_invocation_hint(value)  # type: ignore[arg-type]  # it is one
    if hint is None:
        return None
    name = GObject.signal_name(hint.signal_id)
    detail = GLib.quark_to_string(hint.detail) if hint.detail else None
    whole = f"{name}::{detail}" if detail else name
    return f"signal {whole!r} of <{type(value).__name__}>"

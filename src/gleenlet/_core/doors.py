"""What a door hands out is the room's: tracebacks, help() and pickle show where users import it from."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType
from typing import Any

__all__ = ["publish"]


def publish(door: dict[str, Any]) -> None:
    """Have the public names of a door, given by its `globals()`, and their methods say the door's name."""
    for name in door["__all__"]:
        thing = door[name]
        if not isinstance(thing, type | FunctionType | BuiltinFunctionType):
            continue
        if not str(thing.__module__).startswith("gleenlet."):
            continue  # another's: a plain type's second name, or a class that has to say something else
        thing.__module__ = door["__name__"]
        for member in vars(thing).values() if isinstance(thing, type) else ():
            if isinstance(member, FunctionType):
                member.__module__ = door["__name__"]

"""The public names and signatures are those of public-api.txt: `python tests/promises/test_public_api.py` writes it.

A member whose docstring begins with "Seam:" is there for rooms that observe the core or stand in for parts of it.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import gleenlet

FILE = Path(__file__).parents[2] / "public-api.txt"

# Every name that the design fixes.
PROMISED = [
    "run",
    "spawn",
    "green",
    "current_task",
    "sleep",
    "Task",
    "Cancelled",
    "UnsafeSwitchError",
    "TaskGroup",
    "timeout",
    "timeout_at",
    "move_on_after",
    "shield",
    "wait",
    "as_completed",
    "Event",
    "Lock",
    "RLock",
    "Condition",
    "Semaphore",
    "BoundedSemaphore",
    "Barrier",
    "Queue",
    "LifoQueue",
    "PriorityQueue",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "schedule_switch",
    "schedule_throw",
    "callback",
    "Hub",
    "get_hub",
    "wait_signal",
    "wait_any_signal",
    "run_outside",
    "cooperative_loops",
    "signals",
    "wait_property",
    "call",
    "wait_readable",
    "wait_writable",
    "wait_child",
    "wait_unix_signal",
    "to_thread",
    "from_thread",
]


def signature(thing: object) -> str:
    try:
        return str(inspect.signature(thing))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""


def describe() -> str:
    lines = []
    for name in sorted(gleenlet.__all__):
        thing = getattr(gleenlet, name)
        if not inspect.isclass(thing):
            lines.append(f"{name}{signature(thing)}")
            continue
        lines.append(f"class {name}")
        for member in sorted(dir(thing)):
            if member.startswith("_") or hasattr(BaseException, member) or hasattr(object, member):
                continue
            value = getattr(thing, member)
            seam = "  # seam" if (inspect.getdoc(value) or "").startswith("Seam: ") else ""
            lines.append(f"    {member}{signature(value)}{seam}")
    return "\n".join(lines) + "\n"


def test_names_and_signatures() -> None:
    assert describe() == FILE.read_text(), (
        "changed on purpose? python tests/promises/test_public_api.py, and CHANGELOG.md"
    )


@pytest.mark.parametrize("name", PROMISED)
def test_promised_names_exist_and_are_documented(name: str) -> None:
    assert name in gleenlet.__all__
    assert inspect.getdoc(getattr(gleenlet, name))


def test_every_public_function_shows_an_example() -> None:
    bare = [
        name
        for name in gleenlet.__all__
        if callable(thing := getattr(gleenlet, name))
        and not (inspect.isclass(thing) and issubclass(thing, BaseException))
        and ">>>" not in (getattr(gleenlet, name).__doc__ or "")
    ]
    assert bare == []


@pytest.mark.parametrize("room", ["", "asyncio", "gevent", "gtk", "dbus", "gst", "debug", "testing"])
def test_what_a_door_hands_out_says_its_name(room: str) -> None:
    name = f"gleenlet.{room}".rstrip(".")
    door = pytest.importorskip(name, exc_type=ImportError)
    said = {public: getattr(getattr(door, public), "__module__", name) for public in door.__all__}
    others = {public: module for public, module in said.items() if module != name}
    # Plain types with a second name, and the class whose module gevent takes for that of its loop.
    assert all(module in ("builtins", "typing") for public, module in others.items() if public != "GLibLoop"), others
    assert room != "gevent" or others == {"GLibLoop": "gevent.libev.corecext"}


def test_help_begins_with_every_public_name() -> None:
    text = gleenlet.__doc__ or ""
    errors_and_kinds = {name for name in gleenlet.__all__ if name.isupper() or name.endswith("Error")}
    of_others = {"MoveOn", "Timeout", "QueueEmpty", "QueueFull", "QueueShutDown"}  # what the named ones return or raise
    words = set(text.replace(",", " ").replace(";", " ").split())
    assert set(gleenlet.__all__) - errors_and_kinds - of_others <= words


if __name__ == "__main__":
    FILE.write_text(describe())

"""`python -m gleenlet`: look into a process from outside."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from gleenlet.debug._ask import NoAnswer, ask, listening
from gleenlet.debug._text import quoted
from gleenlet.debug._top import show, table
from gleenlet.debug._traces import FORMATS, format_of

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    options = parser().parse_args(arguments)
    try:
        if options.pid is None:
            return show_processes(options)
        status: int = options.run(options)
        return status
    except NoAnswer as error:
        print(f"gleenlet: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m gleenlet", description="See what the tasks of a process do.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("ps", ps, "a table of its tasks; without PID, the processes that listen"),
        ("pstree", pstree, "its tasks as a tree, and who waits for whom in a circle"),
        ("top", top, "the table, drawn again and again"),
        ("where", where, "the stack of a task, named by its name or id"),
        ("cancel", cancel, "cancel a task, named by its name or id"),
        ("trace", trace, "write what its tasks do into a file for a trace viewer"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        needed = name in ("where", "cancel", "trace")
        command.add_argument("pid", metavar="PID", type=int, nargs=None if needed else "?")
        command.set_defaults(run=run, json=False)
        if needed:
            command.add_argument("file" if name == "trace" else "task", metavar="FILE" if name == "trace" else "TASK")
        if name in ("ps", "where"):
            command.add_argument("--json", action="store_true", help="objects as tasks.schema.json describes")
        if name == "pstree":
            command.add_argument("--stacks", action="store_true", help="whole stacks")
            command.add_argument("--limit", type=int, help="so many tasks at most")
        if name == "trace":
            command.epilog = f"FILE ends with {', '.join(FORMATS)}, which says how it is written."
            command.add_argument("--seconds", type=float, help="record for so long; else what it has kept so far")
        if name == "top":
            command.add_argument("--seconds", type=float, default=1.0, help="between two looks")
            command.add_argument("--times", type=int, help="how often; for ever if not said")
            command.add_argument("--limit", type=int, default=30, help="so many tasks at most")
    return whole


def show_processes(options: argparse.Namespace) -> int:
    found = listening()
    if options.json:
        print(json.dumps(list(found.values())))
        return 0
    if not found:
        print("no process listens: start one with GLEENLET_DEBUG=1 in its environment", file=sys.stderr)
        return 1
    for pid, program in sorted(found.items()):
        print(f"{pid:>8}  {quoted(' '.join(program['arguments']))}")
    return 0


def ps(options: argparse.Namespace) -> int:
    tasks = ask(options.pid, "tasks")["tasks"]
    print(json.dumps(tasks) if options.json else table(tasks))
    return 0


def pstree(options: argparse.Namespace) -> int:
    print(ask(options.pid, "tree", stacks=options.stacks, limit=options.limit)["text"], end="")
    return 0


def top(options: argparse.Namespace) -> int:
    def look() -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = ask(options.pid, "tasks")["tasks"]
        return tasks

    show(look, options.seconds, options.times, options.limit)
    return 0


def where(options: argparse.Namespace) -> int:
    tasks = ask(options.pid, "tasks")["tasks"]
    found = known([task for task in tasks if options.task in (task["name"], str(task["id"]))], options)
    if options.json:
        print(json.dumps(found))
        return 0
    for task in found:
        print(f"{task['name']!r} {task['state']}{on(task)}")
        for frame in task["stack"]:
            print(quoted(f"    {frame['function']} ({frame['file']}:{frame['line']})"))
    return 0


def cancel(options: argparse.Namespace) -> int:
    for name in known(ask(options.pid, "cancel", task=options.task)["cancelled"], options):
        print(f"cancelled {name!r}")
    return 0


def known(found: list[Any], options: argparse.Namespace) -> list[Any]:
    """What was found of a task, unless that is nothing."""
    if not found:
        raise NoAnswer(f"process {options.pid} has no task {options.task!r}: see python -m gleenlet ps {options.pid}")
    return found


def trace(options: argparse.Namespace) -> int:
    try:
        format_of(options.file)
        with open(options.file, "ab"):  # what cannot be written fails now
            pass
    except (ValueError, OSError) as error:
        raise NoAnswer(str(error)) from None
    number = None
    if options.seconds is not None:
        number = ask(options.pid, "begin trace", seconds=options.seconds)["trace"]
        with contextlib.suppress(KeyboardInterrupt):  # enough
            time.sleep(options.seconds)
    answer = ask(options.pid, "end trace", trace=number, file=options.file)
    with open(options.file, "wb") as file:
        file.write(base64.b64decode(answer["file"]))
    if answer["lost"]:
        print(f"gleenlet: {answer['lost']} events are missing at its beginning: too many in this time", file=sys.stderr)
    return 0


def on(task: dict[str, Any]) -> str:
    return f" for {quoted(task['waiting_on'])}" if task["waiting_on"] else ""

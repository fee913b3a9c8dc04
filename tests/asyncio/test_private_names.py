"""asyncio's private names that gleenlet.asyncio uses: this Python has all that are declared, and no other is used."""

from __future__ import annotations

import ast
import asyncio
import selectors
from pathlib import Path

import gleenlet.asyncio._private as private

FILES = sorted(Path(private.__file__).parent.glob("*.py"))


def declared() -> dict[str, set[str]]:
    """By class: the names in the block that only type checkers read."""
    (block,) = (
        node
        for node in ast.parse(Path(private.__file__).read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        node.name: {
            ast.unparse(item.target) if isinstance(item, ast.AnnAssign) else item.name
            for item in node.body
            if isinstance(item, ast.AnnAssign | ast.FunctionDef)
        }
        for node in block.body
        if isinstance(node, ast.ClassDef)
    }


def test_this_python_has_every_private_name() -> None:
    selector = selectors.EpollSelector()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(0, int)
        things = {
            "SelectorEventLoop": loop,
            "EpollSelector": selector,
            "Handle": loop.call_soon(int),
            "TimerHandle": timer,
            "Task": asyncio.current_task(),
        }
        names = declared()
        assert names.keys() == things.keys()
        missing = {(kind, name) for kind, thing in things.items() for name in names[kind] if not hasattr(thing, name)}
        assert not missing

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())
    selector.close()


def test_no_other_private_name_of_asyncios_is_used() -> None:
    of_asyncio = {name for kind in (asyncio.SelectorEventLoop, asyncio.Task, asyncio.TimerHandle) for name in dir(kind)}
    loop = asyncio.SelectorEventLoop()
    of_asyncio |= set(vars(loop))
    loop.close()
    used = {
        node.attr
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    }
    assert used & of_asyncio
    assert used & of_asyncio <= set().union(*declared().values())

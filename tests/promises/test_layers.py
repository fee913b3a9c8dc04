"""Folders are rooms. A file imports from its own room and from rooms above it, another room only by its door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "gleenlet"

PUBLIC = "gleenlet"  # the public names
CORE = "_core"

# Which rooms each room may enter; its own always. A room is entered by its door, __init__.py.
ROOMS = {
    "_core": set[str](),
    "_sync": {CORE},
    "_glib": {CORE},
    "": {CORE, "_sync", "_glib", "debug"},  # __init__.py: the public names; debug, where GLEENLET_DEBUG is set
    "asyncio": {PUBLIC, CORE},
    "gevent": {PUBLIC, CORE},
    "gtk": {PUBLIC, CORE},
    "dbus": {PUBLIC, CORE},
    "gst": {PUBLIC, CORE},
    "debug": {PUBLIC, CORE, "_sync", "_glib", "asyncio", "gevent", "gtk", "dbus", "gst"},
    "testing": {PUBLIC, CORE, "_sync", "_glib", "asyncio", "gevent", "gtk", "dbus", "gst", "debug"},
}
# The underscores of others, Python and libraries, that a file uses. asyncio's are declared in asyncio/_private.py, and
# used in that room alone; but for what asyncio itself asks things for that are no futures of its own.
OF_OTHERS = {
    CORE: {"_getframe"},
    "_sync": {"_asyncio_future_blocking"},
    "_glib": {"_DBusProxyMethodCall", "_callback_stack"},
    "asyncio": {"_sighandler_noop"},
    "gevent": {"_callbacks"},
    "gtk": {"_version"},
    "dbus": {"_fields", "_getframe", "_name"},
    "debug": {"_current_frames", "_getframe", "_stack_saved"},
    "testing": {
        *("_DummyThread", "_getframe", "_idle_semaphore", "_target", "_threadpool", "_threads", "_value", "_version")
    },
}
LOADED_LATE = {(CORE, "future")}  # imports asyncio: no part of the door
LONGEST = 500  # lines

FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path.name not in ("__main__.py", "mypy.py"))


def room_of(path: Path) -> str:
    return path.parts[0] if len(path.parts) > 1 else ""


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """The modules of ours that a file imports, as parts after `gleenlet`; relative imports are resolved."""
    package = ("gleenlet", *path.parts[:-1])
    for node in ast.walk(ast.parse((SOURCE / path).read_text())):
        if isinstance(node, ast.Import):
            modules = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module or "").split(".")) if node.module else base
            modules = [(*module, alias.name) if is_module((*module, alias.name)) else module for alias in node.names]
        else:
            continue
        yield from (module[1:] for module in modules if module[0] == "gleenlet")


def is_module(parts: tuple[str, ...]) -> bool:
    """Is this name a module, rather than something that its package's door hands out?"""
    path = SOURCE.joinpath(*parts[1:])
    door = SOURCE.joinpath(*parts[1:-1], "__init__.py")
    handed_out = len(parts) > 2 and door.exists() and f'"{parts[-1]}",' in door.read_text()
    return parts[0] == "gleenlet" and not handed_out and (path.is_dir() or path.with_suffix(".py").exists())


def test_a_relative_import_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gtk").mkdir()
    (tmp_path / "gtk" / "__init__.py").write_text("")
    (tmp_path / "gtk" / "_one.py").write_text("from ..dbus import x\nfrom . import _two\nimport gleenlet._core.hub\n")
    monkeypatch.setitem(globals(), "SOURCE", tmp_path)
    assert list(imported(Path("gtk/_one.py"))) == [("dbus",), ("gtk",), ("_core", "hub")]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_keep_to_the_rooms(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f"the room {room} has no place in the table"
    for module in imported(path):
        other = module[0] if module else PUBLIC
        if (module[0] if module else "") == room:
            continue
        assert other in ROOMS[room], f"{path} imports gleenlet.{'.'.join(module)}: {room} may not enter that room"
        assert len(module) < 2 or module in LOADED_LATE, (
            f"{path} imports gleenlet.{'.'.join(module)}, past the room's door"
        )


def circle(imports: dict[Path, set[Path]]) -> list[str]:
    """Files that import each other, one after the other; none where there are no such files."""
    left = dict(imports)
    while free := [path for path, others in left.items() if not others & left.keys()]:
        for path in free:
            del left[path]
    return sorted(map(str, left))


def files_of(module: tuple[str, ...]) -> Path:
    return Path(*module, "__init__.py") if SOURCE.joinpath(*module).is_dir() else Path(*module).with_suffix(".py")


def test_no_files_import_each_other() -> None:
    """Neither in a function nor for a type checker alone. What comes through a room's door is the room's affair."""
    files = [path for path in FILES if path.name != "__init__.py"]
    imports = {path: {files_of(module) for module in imported(path) if len(module) > 1} - {path} for path in files}
    assert circle(imports) == []
    one, two, three = Path("one.py"), Path("two.py"), Path("three.py")
    assert circle({one: {two}, two: {one}, three: {one}}) != []


@pytest.mark.parametrize("room", sorted({room_of(path) for path in FILES} - {""}))
def test_a_rooms_door_only_opens(room: str) -> None:
    tree = ast.parse((SOURCE / room / "__init__.py").read_text())
    allowed = ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.Expr
    assert [ast.unparse(node) for node in tree.body if not isinstance(node, allowed)] == []


def test_no_file_is_too_long() -> None:
    assert {str(path): n for path in FILES if (n := (SOURCE / path).read_text().count("\n")) > LONGEST} == {}


def private(path: Path) -> set[str]:
    """The attributes with an underscore that a file asks others than `self` for, and does not give itself."""
    asked, own = set(), set()
    for other in filter(Path.exists, {SOURCE / path, (SOURCE / path).with_name("_private.py")}):
        for node in ast.walk(ast.parse(other.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own.add(node.id)
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls"):
                own.add(node.attr)
            elif other.name == path.name:
                asked.add(asked_for(node))
    return {name for name in asked - own if name.startswith("_") and not name.startswith("__")}


def asked_for(node: ast.AST) -> str:
    """The name in `thing.name`, `getattr(thing, "name")` and `hasattr(thing, "name")`; "": none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
        name = node.args[1]
        return str(name.value) if isinstance(name, ast.Constant) else ""
    return ""


@pytest.mark.parametrize("path", FILES, ids=str)
def test_what_files_share_has_no_underscore(path: Path) -> None:
    assert private(path) <= OF_OTHERS.get(room_of(path), set())


def test_an_underscore_of_another_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_one.py").write_text("self._a = b._a = c._d + getattr(e, '_f')")
    (tmp_path / "_two.py").write_text("self._d = 1")
    monkeypatch.setitem(globals(), "SOURCE", tmp_path)
    assert private(Path("_one.py")) == {"_d", "_f"}

"""The site for programs: `reference/api.json` has every public name, `llms.txt` the pages in their order."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes

MODULES = ["", "gtk", "dbus", "gst", "asyncio", "gevent", "debug", "testing"]


def signature(thing: object) -> str | None:
    try:
        return str(inspect.signature(thing))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def describe(name: str, thing: object) -> dict[str, Any]:
    """One public name: what it is, how it is called, what its docstring says, and a class's members."""
    entry: dict[str, Any] = {"name": name, "kind": "value", "signature": None, "doc": None}
    if inspect.isclass(thing):
        entry["kind"] = "exception" if issubclass(thing, BaseException) else "class"
        members = [member for member in sorted(dir(thing)) if not member.startswith("_")]
        base = BaseException if issubclass(thing, BaseException) else object
        entry["members"] = [describe(m, inspect.getattr_static(thing, m)) for m in members if not hasattr(base, m)]
    elif isinstance(thing, property) or inspect.isdatadescriptor(thing):
        entry["kind"] = "attribute"
    elif callable(thing) or isinstance(thing, staticmethod | classmethod):
        entry["kind"] = "function"
    if entry["kind"] not in ("value", "exception"):
        entry["signature"] = signature(thing)
    if entry["kind"] != "value":
        entry["doc"] = inspect.getdoc(thing)
    return entry


def api() -> dict[str, list[dict[str, Any]]]:
    """The public names by module."""
    modules = [importlib.import_module(f"gleenlet.{name}".rstrip(".")) for name in MODULES]
    return {m.__name__: [describe(name, getattr(m, name)) for name in sorted(m.__all__)] for m in modules}


def in_order(app: Any, page: str) -> Iterator[str]:
    """The pages from this one on, as one reads them."""
    yield page
    for tree in app.env.get_doctree(page).findall(addnodes.toctree):
        for following in tree["includefiles"]:
            yield from in_order(app, following)


def about(app: Any, page: str) -> str:
    """The first sentence of a page."""
    for paragraph in app.env.get_doctree(page).findall(nodes.paragraph):
        return re.split(r"(?<=[.。])(?: |$)|(?<=。)|:$", " ".join(paragraph.astext().split()))[0]
    return ""


def llms(app: Any) -> str:
    """The index that https://llmstxt.org describes; its links lead to the pages' Markdown."""
    lines = ["# gleenlet", ""]
    for page in in_order(app, "index"):
        if page == "index":
            lines += [f"> {about(app, page)}", "", "## Pages", ""]
        else:
            title = app.env.titles[page].astext()
            lines.append(f"- [{title}](_sources/{page}.md.txt): {about(app, page)}")
    lines += [
        "",
        "## For programs",
        "",
        "- [api.json](reference/api.json): every public name, its signature and docstring",
    ]
    return "\n".join(lines) + "\n"


def write(app: Any, exception: Exception | None) -> None:
    if exception is None and app.builder.name == "html":
        Path(app.outdir, "reference", "api.json").write_text(json.dumps(api(), indent=1) + "\n")
        Path(app.outdir, "llms.txt").write_text(llms(app))


def setup(app: Any) -> dict[str, Any]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

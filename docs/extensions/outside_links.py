"""Links to files of the project that are no pages, `examples/demo.py` say, lead to a page that shows the file.

The sources keep links that work in a checkout, the README's included, whose paths begin at the project's root.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
LANGUAGES = {".py": "python", ".c": "c", ".json": "json", ".sh": "bash"}

# The README's links to itself in another language: from one site to the other, which lies in its folder `zh`.
READMES = {"README.md": ("zh_CN", "../index.html"), "README.zh-CN.md": ("en", "zh/index.html")}

Found = dict[str, Path]  # path from the root -> the file or folder


def inside(page: str, target: str) -> Path | None:
    """What a link of a page leads to, None if there is nothing."""
    for base in (DOCS / Path(page).parent, ROOT):
        path = (base / target).resolve()
        if path.is_relative_to(ROOT) and path.exists():
            return path
    return None


def mend(app: Any, doctree: nodes.document) -> None:
    """Before Sphinx looks at links: those to pages become so, those to other files ours."""
    page = app.env.current_document.docname
    for image in doctree.findall(nodes.image):
        if page == "index":
            image["uri"] = image["uri"].removeprefix("docs/")
    for node in [*doctree.findall(addnodes.pending_xref), *doctree.findall(addnodes.download_reference)]:
        if Path(node["reftarget"]).name == "README":  # the site's first page
            node["reftarget"] = "index"
        if isinstance(node, addnodes.pending_xref) and (node.get("refdomain") or node.get("reftype") != "myst"):
            continue
        target, _, fragment = node["reftarget"].partition("#")
        path = inside(page, target) if target else None
        if path is None:
            continue  # Sphinx warns of it
        if path.suffix == ".md" and path.is_relative_to(DOCS):
            node["refdomain"], node["reftargetid"] = "doc", fragment or None
            node["reftarget"] = str(path.relative_to(DOCS).with_suffix(""))
            continue
        name = str(path.relative_to(ROOT))
        if page == "index" and name in READMES:
            language, uri = READMES[name]
            uri = uri if app.config.language == language else "#"
            node.replace_self(nodes.reference("", "", *node.children, internal=True, refuri=uri))
            continue
        link = nodes.reference("", "", *node.children, internal=True, outside=name)
        node.replace_self(link)


def resolve(app: Any, doctree: nodes.document, page: str) -> None:
    for node in doctree.findall(nodes.reference):
        if name := node.get("outside"):
            node["refuri"] = app.builder.get_relative_uri(page, f"source/{name}")
            app.env.gleenlet_outside[name] = ROOT / name


def pages(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file that is linked to, and for each folder, with the files in it."""
    found: Found = app.env.gleenlet_outside
    pending = list(found.items())
    done = set()
    while pending:
        name, path = pending.pop()
        if name in done:
            continue
        done.add(name)
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if file.suffix in LANGUAGES or file.suffix == ".md"]
            pending += [(str(file.relative_to(ROOT)), file) for file in files]
            rows = [f'<li><a href="{posixpath.basename(name)}/{file.name}.html">{file.name}</a></li>' for file in files]
            body = f"<ul>{''.join(rows)}</ul>"
        else:
            language = LANGUAGES.get(path.suffix, "text")
            body = app.builder.highlighter.highlight_block(path.read_text(), language)
        yield f"source/{name}", {"title": name, "body": f"<h1>{escape(name)}</h1>\n{body}"}, "page.html"


def setup(app: Any) -> dict[str, Any]:
    app.connect("builder-inited", begin)
    app.connect("doctree-read", mend, priority=100)  # before Sphinx collects downloads
    app.connect("doctree-resolved", resolve)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": False}


def begin(app: Any) -> None:
    if not hasattr(app.env, "gleenlet_outside"):
        app.env.gleenlet_outside = {}

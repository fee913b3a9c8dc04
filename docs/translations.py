"""The Chinese of the documentation: brings the catalogues up to date, and writes README.zh-CN.md from them.

usage: python docs/translations.py
In `locale/zh_CN/LC_MESSAGES` a changed message becomes `fuzzy`, a new one is empty; what is left to do is printed.
Translate it there, then run this again. A test fails as long as something is left in the catalogues of `COMPLETE`.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po
from markdown_it import MarkdownIt

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
CATALOGUES = DOCS / "locale" / "zh_CN" / "LC_MESSAGES"
COMPLETE = ("index", "tutorial", "explanations")  # index: the README

CODE = re.compile(r"`[^`]*`|\]\([^)]*\)|https?:\S+")
WORD = re.compile(r"[A-Za-z]{3}")


def templates(folder: Path) -> dict[str, Catalog]:
    """The messages of the sources as they are now, by catalogue; the pages that are not translated are not read."""
    others = "exclude_patterns=extensions,upstream,locale,howto,reference"
    command = [sys.executable, "-m", "sphinx", "-Q", "-b", "gettext", "-D", others, str(DOCS), str(folder)]
    subprocess.run(command, check=True)
    return {name: read(folder / f"{name}.pot") for name in COMPLETE}


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale="zh_CN", ignore_obsolete=True)


def translated(name: str) -> Catalog:
    return read(CATALOGUES / f"{name}.po")


def left_to_do(template: Catalog, catalogue: Catalog) -> list[str]:
    """The messages of the sources that are new or changed; names and figures are the same in every language."""
    stale = []
    for message in template:
        if not message.id or not WORD.search(CODE.sub("", str(message.id))):
            continue
        known = catalogue.get(message.id)
        if known is None or not known.string or known.fuzzy:
            stale.append(str(message.id))
    return stale


def update(template: Catalog, path: Path) -> Catalog:
    """Merge the messages of the sources into a catalogue."""
    catalogue = read(path) if path.exists() else Catalog(locale="zh_CN")
    catalogue.update(template, no_fuzzy_matching=False)
    catalogue.obsolete.clear()
    catalogue.fuzzy = False
    catalogue.header_comment = "# The Chinese of the documentation, see docs/translations.py."
    save(catalogue, path)
    return catalogue


def save(catalogue: Catalog, path: Path) -> None:
    text = io.BytesIO()
    write_po(text, catalogue, width=100, no_location=True)
    dates = ('"POT-Creation', '"PO-Rev')
    lines = [line for line in text.getvalue().decode().splitlines() if not line.startswith(dates)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n")


def readme() -> str:
    """README.md in Chinese."""
    source = (ROOT / "README.md").read_text()
    catalogue = translated("index")

    def translate(content: str) -> str:
        message = catalogue.get(" ".join(content.split("\n")).strip())
        return str(message.string) if message and message.string and not message.fuzzy else content

    lines: list[str | None] = list(source.splitlines())
    tokens = MarkdownIt("commonmark").enable("table").parse(source)
    rows: dict[int, list[str]] = {}
    row = 0
    for i, token in enumerate(tokens):
        if token.type == "tr_open" and token.map:
            row = token.map[0]
        elif token.type == "inline" and tokens[i - 1].type in ("td_open", "th_open"):
            rows.setdefault(row, []).append(translate(token.content))
        elif token.type == "inline" and token.map:
            first, last = token.map
            begin = lines[first]
            assert begin is not None
            prefix = begin[: begin.index(token.content.split("\n")[0])]
            lines[first:last] = [prefix + translate(token.content), *[None] * (last - first - 1)]
    for number, cells in rows.items():
        lines[number] = f"| {' | '.join(cells)} |".replace("|  |", "| |")
    return "\n".join(line for line in lines if line is not None) + "\n"


def main() -> None:
    for name, template in templates(ROOT / "build" / "gettext").items():
        catalogue = update(template, CATALOGUES / f"{name}.po")
        for message in left_to_do(template, catalogue):
            print(f"{name}: {message}")
    (ROOT / "README.zh-CN.md").write_text(readme())


if __name__ == "__main__":
    main()

"""Docstrings as the source writes them, made fit for Sphinx: `Returns: text` on one line, and words joined to names."""

from __future__ import annotations

import re
from typing import Any

SECTION = re.compile(r"^(Returns|Raises|Yields|Thread): ")
TITLE = re.compile(r"^(Args|Raises|Returns|Yields|Attributes):$")  # those that napoleon knows
JOINED = re.compile(r"(`[^`\n]+`)(?=\w)")  # `Task`s


def mend(_app: Any, _what: str, _name: str, _thing: object, _options: Any, lines: list[str]) -> None:
    """Called by autodoc before napoleon reads the lines."""
    result: list[str] = []
    inside = False  # below a section of one line, or a list that napoleon does not know
    for i, text in enumerate(lines):
        following = lines[i + 1] if i + 1 < len(lines) else ""
        line = JOINED.sub(r"\1\\ ", text)
        if SECTION.match(line):
            result += ["", SECTION.sub(r"**\1:** ", line)]
            inside = True
        elif line.endswith(":") and not line.startswith((" ", ">>>", "...")) and following.startswith("    "):
            inside = not TITLE.match(line)
            result += ["", line, ""] if inside else [line]
        elif line.endswith(":") and not following and i + 2 < len(lines) and lines[i + 2].startswith("    "):
            result.append(line + ":")  # a table of words: as it stands
            inside = False
        elif inside and line.startswith("        "):
            result.append("  " + line.strip())
        elif inside and line.startswith("    ") and result[-1].startswith(("* ", "  ")) | (not result[-1]):
            result.append("* " + line.strip())
        elif inside and line.startswith("    "):
            result.append(line.strip())
        else:
            inside = False if not line or not line.startswith(" ") else inside
            result.append(line)
    lines[:] = result


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", mend, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

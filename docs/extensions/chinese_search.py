"""The search of the Chinese site: a word is two characters that stand side by side.

Sphinx's own needs a dictionary to index Chinese, and takes a query for one word whatever it is; its page names a
stemmer that there is not (Sphinx 9.0). Pairs need no dictionary and find every word of two characters or more.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.search import SearchLanguage

WORDS = re.compile(r"[\u3400-\u9fff]+|[A-Za-z0-9_]+")


class Chinese(SearchLanguage):
    lang = "zh"
    language_name = "Chinese"
    # The same for the query, in the reader's browser.
    js_splitter_code = r"""
function splitQuery(query) {
  return (query.match(/[\u3400-\u9fff]+|[A-Za-z0-9_]+/g) || []).flatMap((word) =>
    word.length > 2 && word[0] >= "\u3400"
      ? Array.from({ length: word.length - 1 }, (_, i) => word.slice(i, i + 2))
      : [word]
  );
}
"""

    def split(self, input: str) -> list[str]:
        return [part for word in WORDS.findall(input) for part in parts(word)]


def parts(word: str) -> list[str]:
    if len(word) > 2 and word[0] >= "\u3400":
        return [word[i : i + 2] for i in range(len(word) - 1)]
    return [word]


def setup(app: Any) -> dict[str, Any]:
    app.add_search_language(Chinese)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The site: `make docs` builds it in English and in Chinese, into build/site."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

project = "gleenlet"
author = "The gleenlet authors"
project_copyright = author
release = re.search(r'^__version__ = "(.*)"', (HERE.parent / "src/gleenlet/__init__.py").read_text(), re.MULTILINE)[1]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "chinese_search",
    "docstrings",
    "machine_readable",
    "outside_links",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["extensions", "upstream", "locale"]
default_role = "py:obj"  # `name` in a docstring
nitpicky = False
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

toc_object_entries = False  # the tree of pages is copied into each page
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autoclass_content = "class"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# Chinese: one catalogue a folder, in locale/zh_CN/LC_MESSAGES.
language = "en"
locale_dirs = ["locale"]
gettext_compact = True
gettext_uuid = False
gettext_location = False
figure_language_filename = "{root}.{language}{ext}"

html_theme = "furo"  # light and dark, as the reader's system has it
html_title = f"gleenlet {release}"
html_static_path = []
html_copy_source = True
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
html_baseurl = ""
copybutton_exclude = ".linenos, .gp, .go"
highlight_language = "none"  # a block that names none is output
pygments_style = "friendly"
pygments_dark_style = "github-dark"

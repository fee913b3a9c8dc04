"""The site is built without a warning, has every public name, and needs nothing from elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from child import ROOT, uncovered

pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
pytest.importorskip("furo")

DOCS = ROOT / "docs"
MODULES = [
    "gleenlet",
    *(f"gleenlet.{room}" for room in ("gtk", "dbus", "gst", "asyncio", "gevent", "debug", "testing")),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew: what was built before would keep its warnings to itself. A warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    english = build("html", folder, "en")
    chinese = build("dummy", folder, "zh_CN")  # reads, translates and resolves all links, and writes nothing
    for process in (english, chinese):
        said, _ = process.communicate()
        assert process.returncode == 0, said
    return folder / "html"


def build(builder: str, folder: Path, language: str) -> subprocess.Popen[str]:
    options = ["-q", "-W", "--keep-going", "-b", builder, "-D", f"language={language}", "-d", str(folder / language)]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder / builder)]
    return subprocess.Popen(command, env=uncovered(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def translations() -> Any:
    return module_of(DOCS / "translations.py")


def module_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public_names() -> list[str]:
    names = []
    for name in MODULES:
        if name.endswith("gevent"):
            pytest.importorskip("gevent")
        names += [f"{name}.{public}" for public in importlib.import_module(name).__all__]
    return names


def test_the_reference_has_every_public_name(site: Path) -> None:
    pages = "".join(page.read_text() for page in (site / "reference").glob("*.html"))
    missing = [name for name in public_names() if f'id="{name}"' not in pages]
    assert missing == [], "a name of gleenlet's own has its place in docs/reference/gleenlet.md"


def test_the_reference_has_every_member_of_public_api(site: Path) -> None:
    page = (site / "reference" / "gleenlet.html").read_text()
    owner, missing = "", []
    for line in (ROOT / "public-api.txt").read_text().splitlines():
        name = re.findall(r"\w+", line)[1 if line.startswith("class ") else 0]
        if line.startswith("class "):
            owner = name
        full = f"gleenlet.{owner}.{name}" if line.startswith(" ") else f"gleenlet.{name}"
        if f'id="{full}"' not in page:
            missing.append(full)
    assert missing == []


def test_api_json_has_signatures_and_docstrings(site: Path) -> None:
    api: dict[str, list[dict[str, Any]]] = json.loads((site / "reference" / "api.json").read_text())
    assert sorted(f"{module}.{entry['name']}" for module in api for entry in api[module]) == sorted(public_names())
    (spawn,) = [entry for entry in api["gleenlet"] if entry["name"] == "spawn"]
    assert spawn["kind"] == "function"
    assert spawn["signature"].startswith("(func")
    assert ">>> spawn(" in spawn["doc"]
    (task,) = [entry for entry in api["gleenlet"] if entry["name"] == "Task"]
    assert "cancel" in [member["name"] for member in task["members"]]


def test_llms_txt_has_every_page_in_the_order_of_reading(site: Path) -> None:
    text = (site / "llms.txt").read_text()
    pages = re.findall(r"\]\(_sources/(.*?)\.md\.txt\): \S", text)
    written = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")}
    upstream = {page for page in written if page.startswith("upstream/")}
    assert set(pages) == written - upstream - {"index"}
    assert [page.partition("/")[0] for page in (pages[0], pages[1], pages[-1])] == ["tutorial", "howto", "explanations"]
    assert all((site / "_sources" / f"{page}.md.txt").exists() for page in pages)


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="(?:https?:)?//[^"]*"', page.read_text())
        assert loaded == [], page


def test_the_search_works_without_a_server(site: Path) -> None:
    index = (site / "searchindex.js").read_text()
    assert index.startswith("Search.setIndex(")  # a script, which a page from a disk may load; JSON may not be
    assert "Scheduling and priorities" in index


SPLIT = """
var window = {};
%s
const texts = JSON.parse(process.argv[1]);
console.log(JSON.stringify(texts.map((text) => [splitQuery(text), new Stemmer().stemWord(text)])));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_a_chinese_query_is_split_as_the_index_is() -> None:
    search = module_of(DOCS / "extensions" / "chinese_search.py").Chinese({})
    texts = ["取消", "取消任务", "用 GTK 写的窗口,2 个", "wait_signal 之后", "等", ""]
    assert [search.split(text) for text in texts] == [
        ["取消"],
        ["取消", "消任", "任务"],
        ["用", "GTK", "写的", "的窗", "窗口", "2", "个"],
        ["wait_signal", "之后"],
        ["等"],
        [],
    ]
    script = SPLIT % (search.js_splitter_code + search.js_stemmer_code)
    command = ["node", "-e", script, json.dumps(texts)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(shown) == [[search.split(text), search.stem(text)] for text in texts]


def test_the_theme_is_light_and_dark(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert "theme-toggle" in page
    assert "prefers-color-scheme" in (site / "_static" / "styles" / "furo.css").read_text()


def test_links_to_the_projects_files_lead_to_a_page_that_shows_them(site: Path) -> None:
    for page in [*site.glob("*.html"), *site.glob("*/*.html")]:
        for link in re.findall(r'href="([^":]*/?source/[^"]*\.html)"', page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
    assert "main_greenlet" in (site / "source" / "tests" / "hazards" / "famous.py.html").read_text()


def test_the_chinese_is_complete(translations: Any, tmp_path: Path) -> None:
    templates = translations.templates(tmp_path)
    assert set(templates) == {"index", "tutorial", "explanations"}
    stale = {
        name: left
        for name, template in templates.items()
        if (left := translations.left_to_do(template, translations.translated(name)))
    }
    assert stale == {}, "python docs/translations.py, then translate these in docs/locale/zh_CN/LC_MESSAGES"


def test_what_is_new_changed_or_fuzzy_is_left_to_do(translations: Any) -> None:
    catalogue, template = translations.Catalog(locale="zh_CN"), translations.Catalog()
    catalogue.add("A task waits.", "任务在等待。")
    catalogue.add("It goes on.", "它继续。", flags=["fuzzy"])
    for message in ("A task waits.", "It goes on.", "It ends.", "`spawn`", "1,880", "[x](y.md)"):
        template.add(message)
    assert translations.left_to_do(template, catalogue) == ["It goes on.", "It ends."]


def test_the_chinese_readme_is_what_the_catalogue_says(translations: Any) -> None:
    assert (ROOT / "README.zh-CN.md").read_text() == translations.readme(), "python docs/translations.py writes it"


def test_no_message_would_be_taken_for_a_list(translations: Any) -> None:
    """Such a translation is dropped without a word."""
    for name in translations.COMPLETE:
        assert [m.id for m in translations.translated(name) if re.match(r"\d+[.)] |[-+>#] ", str(m.string))] == []


def test_the_first_page_leads_to_the_other_language(site: Path) -> None:
    assert re.search(r'href="zh/index.html">(?:<[^>]*>)?中文', (site / "index.html").read_text())

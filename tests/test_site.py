"""The documentation as a site: it builds without a warning, has every public name, and loads nothing from elsewhere."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import unpoolx

for package in ("mkdocs", "material", "mkdocstrings_handlers.python"):
    pytest.importorskip(package, reason=f"the site is built with {package}")

ROOT = Path(__file__).resolve().parent.parent


def build(config: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """MkDocs on a configuration, where a warning is an error."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", config, "--site-dir", target]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        list(map(str, command)), cwd=config.parent, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    result = build(ROOT / "mkdocs.yml", target)
    assert result.returncode == 0, result.stderr
    return target


class Page(HTMLParser):
    """What a page names, what it loads, and what it links to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.ids, self.loads, self.links, self.quoted, self.depth = path, set(), [], [], "", 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Every element."""
        found = dict(attrs)
        self.ids.add(found.get("id"))
        self.depth += tag == "blockquote"
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag == "link" and found.get("href"):
            self.loads.append(found["href"])
        if found.get("src"):
            self.loads.append(found["src"])

    def handle_endtag(self, tag: str) -> None:
        """The end of an element."""
        self.depth -= tag == "blockquote"

    def handle_data(self, data: str) -> None:
        """The text between."""
        self.quoted += data if self.depth else ""


def pages_of(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return pages_of(site)


def broken(pages: dict[Path, Page]) -> list[str]:
    """The links and loads that lead nowhere, or for what is loaded, away from the site."""
    wrong = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # it may be shown in any folder, so its links begin at the top of a server
        for target in (*page.links, *page.loads):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in page.loads and parts.scheme != "data":
                    wrong.append(f"{path.name} loads {target}")
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[file].ids if file in pages else None
            if not file.is_file() or (known is not None and parts.fragment and unquote(parts.fragment) not in known):
                wrong.append(f"{path.name} names {target}")
    return wrong


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert len(pages) > 20
    assert not broken(pages)
    for style in site.rglob("*.css"):
        outside = re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\"']*", style.read_text(encoding="utf-8"))
        assert not outside, f"{style.name} loads {outside}"


def test_links_and_loads_that_lead_nowhere_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here"></a><a href="#gone"></a><a href="b.html"></a><img src="a.html">'
        '<script src="https://example.org/x.js"></script><a href="https://example.org/">',
        encoding="utf-8",
    )
    assert broken(pages_of(tmp_path)) == [
        "a.html names #gone",
        "a.html names b.html",
        "a.html loads https://example.org/x.js",
    ]


def test_broken_links_and_a_page_outside_the_nav_fail_the_build(tmp_path: Path) -> None:
    folder, config = tmp_path / "docs", tmp_path / "mkdocs.yml"
    folder.mkdir()
    own = f"INHERIT: {ROOT / 'mkdocs.yml'}\nhooks: []\nplugins: [search]\n"
    (folder / "other.md").write_text("# Other\n", encoding="utf-8")
    (folder / "index.md").write_text("# Start\n\n[other](other.md#other)\n", encoding="utf-8")
    config.write_text(f"{own}nav: [index.md, other.md]\n", encoding="utf-8")
    sound = build(config, tmp_path / "site")
    assert sound.returncode == 0, sound.stderr
    (folder / "index.md").write_text("[a](gone.md)\n[b](other.md#no)\n[c](../outside.md)\n", encoding="utf-8")
    config.write_text(f"{own}nav: [index.md]\n", encoding="utf-8")
    faulty = build(config, tmp_path / "site")
    assert faulty.returncode != 0, "the build passed"
    for complaint in ("- other.md", "'gone.md'", "anchor '#no'", "'../outside.md'"):
        assert complaint in faulty.stderr, f"{complaint} is not in\n{faulty.stderr}"


def test_a_page_that_the_nav_does_not_name_is_under_more(tmp_path: Path) -> None:
    hooks: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "_site" / "hooks.py"))
    (tmp_path / "folder").mkdir()
    for name in ("named.md", "folder/inside.md", "folder/new.md", "last.md"):
        (tmp_path / name).write_text("# A page\n", encoding="utf-8")
    nav = ["named.md", {"Part": [{"Title": "folder/inside.md"}]}, {"Last": ["last.md"]}]
    config = SimpleNamespace(docs_dir=str(tmp_path), nav=list(nav))
    assert hooks["on_config"](config).nav == [*nav[:2], {"More": ["folder/new.md"]}, nav[2]]
    (tmp_path / "folder" / "new.md").unlink()
    assert hooks["on_config"](SimpleNamespace(docs_dir=str(tmp_path), nav=list(nav))).nav == nav


def test_the_nav_names_each_page_once() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    pages = re.findall(r"\S+\.md$", nav, flags=re.MULTILINE)
    assert len(pages) > 20
    assert not {page for page in pages if pages.count(page) > 1}


def public_names(module: str) -> list[str]:
    """`__all__`, read and not imported: layers would import their frameworks."""
    path = ROOT / module.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for statement in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(statement.value) if not name.startswith("__")]
    raise AssertionError(f"{module} has no __all__")


@pytest.mark.parametrize(
    "module", ["unpoolx", "unpoolx.testing", *(f"unpoolx.layers.{n}" for n in ("torch", "keras", "nnx"))]
)
def test_every_public_name_is_on_a_page(pages: dict[Path, Page], module: str) -> None:
    known = set().union(*(page.ids for path, page in pages.items() if path.parent.name == "api"))
    names = public_names(module)
    missing = [name for name in names if f"{module}.{name}" not in known]
    assert names
    assert not missing, f"no page of docs/api has {missing} of {module}"


def test_the_top_of_the_repository_has_its_pages(site: Path) -> None:
    for page, text in (("index", "keeps its switches"), ("changelog", unpoolx.__version__), ("license", "MIT")):
        assert text in (site / f"{page}.html").read_text(encoding="utf-8"), page


def test_docstrings_are_shown_as_they_are_written(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        assert ">>>" not in page.quoted, f"{path.name}: an example became a quotation"
    shown = re.sub(r"<[^>]*>", "", (site / "api" / "pooling.html").read_text(encoding="utf-8"))
    for text in ("array (*batch, *spatial, C), or (*batch, C, *spatial)", "h*W + w in its own plane", "Examples:"):
        assert text in shown, text
    results = re.sub(r"<[^>]*>", "", (site / "api" / "at.html").read_text(encoding="utf-8"))
    assert re.search(r"integer arrays of any\s+integer dtype", results), "a result that goes on became two"
    layers = re.sub(r"<[^>]*>", "", (site / "api" / "layers.html").read_text(encoding="utf-8"))
    assert re.search(r"Shape:\s*Input: \(N, C, \*spatial\)", layers)
    assert "**kwargs" in layers


def test_the_search_needs_no_server(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert index.startswith("var __index = {")
    assert "unpool_average" in index
    (worker,) = (site / "assets" / "javascripts" / "workers").glob("search.*.js")
    script = (site / "search" / "offline.js").read_text(encoding="utf-8")
    assert worker.read_text(encoding="utf-8")[:40].replace('"', '\\"') in script
    head = (site / "api" / "at.html").read_text(encoding="utf-8")
    assert head.index("../search/offline.js") < head.index("javascripts/bundle"), "the worker is made before the script"

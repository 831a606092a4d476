"""What MkDocs does for us beside its own.

Pages from the top of the repository, links that leave docs/, prompts, and a search that works from the disk.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent.parent

# What stands at the top of the repository, where its readers look for it, and is a page of the site as well.
FROM_THE_TOP = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "LICENSE": "license.md"}
HOME = {page: source for source, page in FROM_THE_TOP.items()}

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)#\s]+)")
STYLE = """\
.md-grid { max-width: 70rem; }
.md-typeset table:not([class]) { font-size: .62rem; }
.md-typeset table:not([class]) td, .md-typeset table:not([class]) th { padding: .4em .7em; }
.md-typeset table:not([class]) th { min-width: 0; }
.highlight .gp { user-select: none; opacity: .5; }
"""


def on_config(config: Any) -> Any:
    """Add the pages that the nav does not name before its last part, so that none is out of reach."""
    docs = Path(config.docs_dir)
    named = set(re.findall(r"'([^']*\.md)'", repr(config.nav)))
    others = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} - named
    if others:
        config.nav.insert(-1, {"More": sorted(others)})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from the top, the style, and every file outside docs/ that a page links to."""
    for source, page in FROM_THE_TOP.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source == "LICENSE":
            text = "# License\n\n" + text.partition("\n")[2].lstrip()
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "_site.css", content=STYLE))
    linked = {
        target
        for file in files.documentation_pages()
        for target in map(in_repository(file.src_uri), LINK.findall(file.content_string))
        if is_outside(target)
    }
    for target in sorted(linked - set(FROM_THE_TOP)):
        files.append(File.generated(config, site_path(target), abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links at the site's files, and colour sessions as sessions."""
    source = page.file.src_uri
    place = in_repository(source)

    def moved(match: re.Match[str]) -> str:
        target = place(match[1])
        if source not in HOME and not is_outside(target):
            return match[1]
        return posixpath.relpath(site_path(target), posixpath.dirname(source) or ".")

    return re.sub(r"^```python\n(?=>>> )", "```pycon\n", LINK.sub(moved, markdown), flags=re.MULTILINE)


def in_repository(page: str) -> Any:
    """From the links of a page to paths in the repository."""
    folder = posixpath.dirname(HOME.get(page, f"docs/{page}"))
    return lambda link: posixpath.normpath(posixpath.join(folder, link))


def is_outside(target: str) -> bool:
    """Whether a path of the repository is a file that docs/ does not hold."""
    return not target.startswith("docs/") and (ROOT / target).is_file()


def site_path(target: str) -> str:
    """Where the site has a file of the repository."""
    if target in FROM_THE_TOP:
        return FROM_THE_TOP[target]
    return target.removeprefix("docs/") if target.startswith("docs/") else f"source/{target}"


# A page on the disk may start no worker that is a file of its own; one that it holds as text, it may.
OFFLINE = """\
if (location.protocol === "file:") {
  const source = new Blob([%s], { type: "text/javascript" });
  window.Worker = class extends Worker { constructor() { super(URL.createObjectURL(source)); } };
}
"""


def on_post_build(config: Any) -> None:
    """Write the index of the search and its worker as scripts, which a page on the disk can load."""
    site = Path(config.site_dir)
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    (site / "search" / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")
    (worker,) = (site / "assets" / "javascripts" / "workers").glob("search.*.js")
    script = OFFLINE % json.dumps(worker.read_text(encoding="utf-8"))
    (site / "search" / "offline.js").write_text(script, encoding="utf-8")

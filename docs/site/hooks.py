"""The documents that lie outside docs/ join the site, and links lead to where they are there."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
# Path in the repository -> page of the site.
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "results/README.md": "tables.md",
    "results/published/README.md": "published.md",
    "benchmarks/performance/README.md": "measuring.md",
}
_LINK = re.compile(r"(\]\(|(?:src|href)=\")([^)\"#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages; a folder of their own is not needed, since they are read where they lie."""
    for source, page in PAGES.items():
        content = _relinked((ROOT / source).read_text(encoding="utf-8"), source)
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The links of a page under docs/."""
    generated = page.file.src_uri in PAGES.values()
    return markdown if generated else _relinked(markdown, f"docs/{page.file.src_uri}")


def _relinked(text: str, source: str) -> str:
    return _LINK.sub(lambda found: found[1] + _target(found[2], source), text)


def _target(link: str, source: str) -> str:
    """Where a relative link of a file of the repository leads within the site."""
    if ":" in link or link.startswith("/"):
        return link
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    return PAGES.get(path, path.removeprefix("docs/"))

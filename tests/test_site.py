"""The documents as a site: every page is in it, and every link within it leads somewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.plugins.catalog import SHIPPED

SITE = SHIPPED / "docs" / "site" / "mkdocs.yml"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SITE.exists(), reason="documents are not in the wheel"),
]


def test_the_site_is_built_without_a_broken_link_or_a_page_left_out(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install '.[dev]'")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(SITE), "-d", str(tmp_path)],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = {path.parent.name for path in tmp_path.glob("*/index.html")}
    documents = {path.stem for path in (SHIPPED / "docs").glob("*.md")}
    assert documents <= pages
    assert {"contributing", "architecture", "tables"} <= pages


def test_the_site_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    text = SITE.read_text(encoding="utf-8")
    assert "font: false" in text
    assert "extra_javascript" not in text

"""The page of a file's keys: complete, and the same as in the documents."""

import pytest

from harness.config.fields import SECTIONS
from harness.config.read import SHARED_KEYS
from harness.config.schema_reference import reference
from harness.config.sections import Training
from harness.plugins.catalog import SHIPPED

PAGE = SHIPPED / "docs" / "benchmark_file.md"


def test_every_key_of_a_file_has_a_row() -> None:
    page = reference()
    for key in (*SECTIONS, *SHARED_KEYS, *Training.model_fields):
        assert f"\n| `{key}` |" in page


def test_every_section_is_explained_once() -> None:
    headings = [line for line in reference().splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings)) > 10


def test_no_alternative_breaks_a_row_into_more_cells() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}


@pytest.mark.skipif(not PAGE.exists(), reason="documents are not in the wheel")
def test_the_documents_hold_this_page() -> None:
    """After a key was added: `bench schema --markdown > docs/benchmark_file.md`."""
    assert PAGE.read_text(encoding="utf-8") == reference()

"""The page on the results folder describes exactly the columns that the tables have."""

import pytest

from harness.results.readme import README, column_table, with_column_tables


def test_the_page_has_the_column_tables_of_the_row_classes() -> None:
    """After a column was added: `python -m harness.results.readme`."""
    text = README.read_text(encoding="utf-8")
    assert with_column_tables(text) == text


def test_a_column_that_the_page_lacks_is_added_and_the_words_around_stay() -> None:
    text = README.read_text(encoding="utf-8")
    line = "| `head` | int32 | the head, from 1 | |\n"
    assert line in column_table("attention")
    assert with_column_tables(text.replace(line, "")) == text


def test_a_heading_without_a_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="attention"):
        with_column_tables("# Nothing\n\n## attention\n\nNo table.\n")

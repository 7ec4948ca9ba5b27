"""A CSV table is read as people write it, and its mistakes are told by line."""

import csv
from pathlib import Path

import pytest

from data_prep.examples import DataError
from data_prep.own_tables import Columns, OptionError, distinct_parts, ordered_classes, read_rows

TEXT = Columns("text")


def rows(folder: Path, text: str, columns: Columns = TEXT, *, encoding: str = "utf-8") -> list:
    file = folder / "t.csv"
    file.write_bytes(text.encode(encoding))
    return read_rows(file, columns)


def refusal(folder: Path, text: str, columns: Columns = TEXT) -> str:
    with pytest.raises(DataError) as error:
        rows(folder, text, columns)
    return str(error.value).replace(str(folder / "t.csv"), "T")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_three_separators_of_spreadsheets_are_taken(separator: str, tmp_path: Path) -> None:
    """The header says which."""
    text = "text,label\nnice,good\n".replace(",", separator)

    assert rows(tmp_path, text)[0][:3] == (2, "nice", "good")


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ('"a text, or several";label', "a text, or several"),
        ('"text, title, abstract";label', "text, title, abstract"),
        ("text, title, abstract;label", "text, title, abstract"),
        ('"text, of\na film";label', "text, of\na film"),
        ("a;b;text,label", "a;b;text"),
    ],
)
def test_separators_inside_of_names_are_not_taken(header: str, column: str, tmp_path: Path) -> None:
    """Quoted or not: the header has to give the columns that are wanted."""
    row = "nice, good film,x" if column == "a;b;text" else "nice;x"
    text = f"{header}\n{row}\n".replace("nice, good film", '"nice; good film"')

    assert rows(tmp_path, text, Columns(column))[0].label == "x"


def test_cells_may_be_longer_than_the_reader_s_limit(tmp_path: Path) -> None:
    """Which is 131,072 characters, and stays what it was for others."""
    before = csv.field_size_limit()

    found = rows(tmp_path, f'text,label\n"{"x" * 200_000}",a\n')

    assert len(found[0].content) == 200_000
    assert csv.field_size_limit() == before


def test_the_mark_that_spreadsheets_write_first_is_not_part_of_a_name(tmp_path: Path) -> None:
    """Windows line ends neither."""
    found = rows(tmp_path, "text,label\r\nnice,good\r\n", encoding="utf-8-sig")

    assert found[0].label == "good"


def test_lines_count_as_an_editor_counts_them(tmp_path: Path) -> None:
    """A quoted text of two lines begins at its first; empty lines are passed over."""
    found = rows(tmp_path, 'text,label\n"one\ntwo",a\n\nthree,b\n')

    assert [(row.line, row.content) for row in found] == [(2, "one\ntwo"), (5, "three")]


def test_labels_lose_their_spaces_and_loose_accents(tmp_path: Path) -> None:
    """Else one class would be two."""
    found = rows(tmp_path, "text,label\nx, caf\u00e9\ny,cafe\u0301 \n")

    assert {row.label for row in found} == {"caf\u00e9"}


@pytest.mark.parametrize("column", ["fold", "split"])
def test_folds_are_numbers_or_roles(column: str, tmp_path: Path) -> None:
    """In a column of either name."""
    numbers = rows(tmp_path, f"text,label,{column}\nx,a,1\ny,b,2\n")
    roles = rows(tmp_path, f"text,label,{column}\nx,a,train\ny,b,test\n")

    assert [row.part for row in numbers] == [1, 2]
    assert [row.part for row in roles] == ["train", "test"]


def test_other_words_for_roles_are_told_the_right_one(tmp_path: Path) -> None:
    """`val` is not guessed at."""
    assert refusal(tmp_path, "text,label,split\nx,a,val\n") == (
        "T: lines that are wrong (1)\n"
        "  T:2: split is 'val'; allowed: a number from 1, or one of train, validation, test; "
        "did you mean 'validation'?\n  mend them and try again"
    )


def test_numbers_and_roles_do_not_mix(tmp_path: Path) -> None:
    """The line where the other kind begins."""
    text = refusal(tmp_path, "text,label,fold\nx,a,1\ny,b,2\nz,a,test\n")

    assert text == "T:4: fold holds numbers and roles; use one of them"


def test_all_wrong_lines_are_told_at_once(tmp_path: Path) -> None:
    """Too few cells, an empty label, a fold of 0, no group."""
    text = refusal(tmp_path, "text,label,fold,group\nx\ny,,1,g\nz,a,0,g\nw,a,1,\n")

    assert "lines that are wrong (4)" in text
    assert "T:2: 1 cells, the header has 4" in text
    assert "T:3: no label" in text
    assert "T:4: fold is '0'" in text
    assert "T:5: no group" in text


def test_a_missing_column_names_the_nearest_and_its_option(tmp_path: Path) -> None:
    """The option that named it is to blame."""
    (tmp_path / "t.csv").write_text("tekst,label\nx,a\n")

    with pytest.raises(OptionError, match=r"no column text; .*did you mean 'tekst'\?") as error:
        read_rows(tmp_path / "t.csv", TEXT)

    assert error.value.option == "text_column"


def test_columns_can_be_named(tmp_path: Path) -> None:
    """All four of them."""
    text = "body,mood,part,author\nnice,good,2,ann\n"

    found = rows(tmp_path, text, Columns("body", "mood", "part", "author"))

    assert found[0] == (2, "nice", "good", 2, "ann")


def test_two_columns_of_folds_have_to_be_told_apart(tmp_path: Path) -> None:
    """Unless one is named."""
    text = "text,label,fold,split\nx,a,1,train\n"

    assert "name one of them" in refusal(tmp_path, text)
    assert rows(tmp_path, text, Columns("text", part="split"))[0].part == "train"


@pytest.mark.parametrize("text", ["", "text,label\n", "\n\n"])
def test_a_table_without_rows_says_so(text: str, tmp_path: Path) -> None:
    """A header alone is none."""
    assert refusal(tmp_path, text) == "T: no rows below a header"


def test_other_encodings_and_broken_quotes_are_told(tmp_path: Path) -> None:
    """By byte and by line."""
    (tmp_path / "t.csv").write_bytes("text,label\ncaf\u00e9,a\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"not UTF-8 text .* at byte 14"):
        read_rows(tmp_path / "t.csv", TEXT)

    assert refusal(tmp_path, 'text,label\n"open,a\n').startswith("T:2: not a CSV table")


def test_parts_come_in_their_order() -> None:
    """Numbers by size, roles as they are used."""
    assert distinct_parts([3, 1, 1]) == (1, 3)
    assert distinct_parts(["test", "train"]) == ("train", "test")
    assert distinct_parts([None, None]) == ()


def test_classes_of_numbers_and_words_come_by_name() -> None:
    """Only where all are numbers they come by size."""
    assert ordered_classes(["b", "a", "10", "b", "a", "10"], where="T") == ("10", "a", "b")
    assert ordered_classes(["9", "10", "10", "9"], where="T") == ("9", "10")

"""Which inputs a file or folder holds, and what each is called; no model is needed."""

from pathlib import Path
from types import SimpleNamespace

from harness.export.predict import Input, find_inputs


def inputs_of(file: Path, *, takes: str = "text") -> tuple[list[Input], list[tuple[str, str]]]:
    """The inputs of a file or folder, and what was skipped; names without the folder."""
    skipped: list[tuple[str, str]] = []
    model = SimpleNamespace(takes=takes)
    found = find_inputs(
        model,  # type: ignore[arg-type]
        [str(file)],
        column="text",
        skip=lambda name, reason: skipped.append((name.removeprefix(f"{file.parent}/"), reason)),
    )
    short = [(name.removeprefix(f"{file.parent}/"), source) for name, source in found]
    return [Input(*one) for one in short], skipped


def written(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_bytes(content.encode())
    return folder / name


def test_lines_end_where_editors_end_them(tmp_path: Path) -> None:
    """Not at form feeds, separators of Unicode or C1 controls; all three line ends count."""
    text = "a good\u2028film\nan awful\x0cstory\r\nfine\x85acting\r\x1cbad\u2029film\x0b\n\nend"

    found, _ = inputs_of(written(tmp_path, "two.txt", text))

    assert found == [
        ("two.txt:1", "a good\u2028film"),
        ("two.txt:2", "an awful\x0cstory"),
        ("two.txt:3", "fine\x85acting"),
        ("two.txt:4", "\x1cbad\u2029film\x0b"),
        ("two.txt:6", "end"),
    ]


def test_rows_are_named_by_their_first_line_as_in_training(tmp_path: Path) -> None:
    """A quoted text of two lines begins at its first."""
    file = written(tmp_path, "t.csv", '"a, b";text\n1;"good\nfilm"\n\n2;bad film\n')

    assert inputs_of(file) == ([("t.csv:2", "good\nfilm"), ("t.csv:5", "bad film")], [])


def test_a_long_cell_is_one_input(tmp_path: Path) -> None:
    """200,000 characters, more than the reader takes by default."""
    found, skipped = inputs_of(written(tmp_path, "t.csv", f'text\n"{"x" * 200_000}"\n'))

    assert [len(source) for _, source in found] == [200_000]
    assert skipped == []


def test_wrong_rows_and_tables_are_skipped_by_line(tmp_path: Path) -> None:
    """The others of the table are kept; an open quote makes the whole of it unreadable."""
    wide = written(tmp_path, "wide.csv", "text\ngood, fine film\nbad film\n")
    open_quote = written(tmp_path, "open.csv", 'text,id\n"good film,1\n')

    assert inputs_of(wide) == (
        [("wide.csv:3", "bad film")],
        [("wide.csv:2", "2 cells, the header has 1")],
    )
    assert inputs_of(open_quote) == (
        [],
        [("open.csv:2", "not a CSV table (unexpected end of data)")],
    )


def test_what_systems_leave_in_a_folder_is_no_input(tmp_path: Path) -> None:
    """At any depth."""
    folder = tmp_path / "new"
    for name in ("a.png", "deep/b.png", "deep/@eaDir/b.png/T.jpg", "Thumbs.db", ".x/c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()

    found, _ = inputs_of(folder, takes="path")

    assert [name for name, _ in found] == ["new/a.png", "new/deep/b.png"]

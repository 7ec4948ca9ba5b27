"""The column tables of `results/README.md`, made from the row classes.

After a column was added: `python -m harness.results.readme`.
"""

import re
from pathlib import Path

from harness.results.tables import TABLES, columns

README = Path(__file__).resolve().parents[2] / "results" / "README.md"

_HEAD = "| column | type | meaning | null when |\n|---|---|---|---|\n"
_TABLE = re.compile(r"^\| column \|.*\n(\|.*\n)*", re.MULTILINE)


def column_table(table: str) -> str:
    """Return the columns of a table in Markdown, a row for each column or rule."""
    rows = [
        f"| `{column.name}` | {column.kind.words} | {column.meaning} |{_cell(column.null_when)}|\n"
        for column in columns(table)
    ]
    return _HEAD + "".join(rows)


def with_column_tables(text: str) -> str:
    """Return the page with the column table under each table's heading written anew.

    Raises:
        ValueError: There is none under a heading.
    """
    for table in TABLES:
        before, heading, rest = text.partition(f"\n## {table}\n")
        old = _TABLE.search(rest)
        if old is None:
            raise ValueError(f"no column table under ## {table}")
        after = rest[: old.start()] + column_table(table) + rest[old.end() :]
        text = f"{before}{heading}{after}"
    return text


def _cell(text: str) -> str:
    return f" {text} " if text else " "


if __name__ == "__main__":
    README.write_text(with_column_tables(README.read_text(encoding="utf-8")), encoding="utf-8")

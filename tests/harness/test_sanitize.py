"""What a terminal would obey is not shown to it."""

import csv
import io

import pytest

from harness.sanitize import csv_text, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ResNet-18 ± 0.5", "ResNet-18 ± 0.5"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("猫, naïve, 🐕", "猫, naïve, 🐕"),
        ("\x1b[31mred", "\N{REPLACEMENT CHARACTER}[31mred"),
        ("\x1b]0;title\x07", "\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}"),
        ("over\rwritten", "over\N{REPLACEMENT CHARACTER}written"),
        ("\x9b31m", "\N{REPLACEMENT CHARACTER}31m"),
        ("model\u202egpj.py", "model\N{REPLACEMENT CHARACTER}gpj.py"),
    ],
)
def test_commands_are_replaced_and_letters_stay(text: str, expected: str) -> None:
    """Of any language."""
    assert printable(text) == expected


FORMULAS = [*("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"), "'=1", "\uff1d1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert csv_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "calm", "a=1", "0.5", "don't", " =1", "é"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert csv_text(text) == text


@pytest.mark.parametrize("text", [*FORMULAS, "", "calm", "''", "a,b\nc"])
def test_one_apostrophe_less_gives_the_text_again(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([csv_text(text)])
    [[cell]] = csv.reader(io.StringIO(out.getvalue(), newline="")) if text else [[""]]
    assert cell.removeprefix("'") == text

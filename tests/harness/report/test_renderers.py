"""Names and errors from files stay text in CSV, Markdown and LaTeX."""

import csv
import io
import json
from pathlib import Path

import pytest

from harness.report.blocks import Cell, Code, Column, Section, Table, Text
from harness.report.page import Chapter
from harness.report.renderers import render_latex, render_markdown
from harness.report.report_writer import write_report
from tests.harness.report.folders import FILE, Trial, make_results

ESCAPE, OVERRIDE = "\x1b[31mred", "abc\u202egnp.exe"


def markdown(text: str) -> str:
    """As a paragraph below a heading."""
    chapter = Chapter("q", "Why?", [Section("k", "T", (Text(text),))])
    return render_markdown([chapter]).split("\n")[6]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("![x](http://spy/a.png)", r"\!\[x\](http://spy/a.png)"),
        ("<javascript:alert(1)>", "&lt;javascript:alert(1)>"),
        ("[x]: javascript:alert(1)", r"\[x\]: javascript:alert(1)"),
        (r"\[x](y)", r"\\\[x\](y)"),
        ("```", r"\```"),
        ("~~~~", r"\~\~~~"),
        (ESCAPE, "\ufffd\\[31mred"),
        (OVERRIDE, "abc\ufffdgnp.exe"),
        ("`bench run` says [1, 2]", r"`bench run` says \[1, 2\]"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_markdown_is_text(text: str, shown: str) -> None:
    assert markdown(text) == shown


def test_a_question_of_several_lines_is_one_heading() -> None:
    [first, *_] = render_markdown([Chapter("q", "Why?\n\n# Not", [])]).split("\n")
    assert first == "# Why? # Not"


def test_code_shows_what_a_terminal_would_obey() -> None:
    chapter = Chapter("q", "Why?", [Section("k", "T", (Code(ESCAPE),))])
    assert "\x1b" not in render_markdown([chapter])


def latex(*cells: str) -> str:
    """The row of these cells."""
    table = Table(tuple(Column(f"c{n}") for n, _ in enumerate(cells)), (tuple(map(Cell, cells)),))
    chapter = Chapter("q", "Why?", [Section("leaderboard", "T", (table,))])
    text = render_latex([chapter])
    return text.split("\\midrule\n")[1].split("\n\\bottomrule")[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("50 % & $x_1$ #1 ~ ^", r"50 \% \& \$x\_1\$ \#1 \textasciitilde{} \textasciicircum{}"),
        ("[2cm]", "{[}2cm{]}"),
        ("*", "{*}"),
        ("a\n\nb", "a b"),
        (ESCAPE, "?{[}31mred"),
        (OVERRIDE, "abc?gnp.exe"),
    ],
)
def test_latex_is_text(text: str, shown: str) -> None:
    """Also at the beginning of a row, where the end of the row before takes [ and * for its own."""
    assert latex(text) == f"{shown} \\\\"


def test_a_formula_in_the_csv_is_text_and_a_number_a_number(tmp_path: Path) -> None:
    trials = (
        Trial(1, status="failed", row={"error": '=HYPERLINK("http://spy","x")'}),
        Trial(2, status="failed", row={"error": "-0.5", "fit_time_s": -0.5}),
    )
    folder = make_results(tmp_path, *trials, text=FILE)
    (file,) = write_report([folder], results=tmp_path, formats=["csv"])
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert rows[0]["error"] == '\'=HYPERLINK("http://spy","x")'
    assert (rows[1]["error"], rows[1]["fit_time_s"]) == ("'-0.5", "-0.5")
    assert json.loads(rows[1]["fit_time_s"]) == -0.5

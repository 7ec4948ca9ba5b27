"""What the page makes of texts and of long tables."""

import json
import re

import plotly.graph_objects as go

from harness.report.blocks import (
    Cell,
    Column,
    Dropdown,
    Figure,
    Option,
    Table,
    Text,
    section,
)
from harness.report.page import ROWS_WRITTEN, Chapter, escaped_values, render_page
from harness.report.renderers import render_markdown

NASTY = "</script><b>cat</b>"


def page_of(*blocks):
    """The page of one section, without its own scripts."""
    page = render_page([Chapter("digits", "Why?", [section("a", "A", *blocks)])], title="t",
                       made_at="now")  # fmt: skip
    return page[page.index("<body>") : page.index("<footer>")]


def test_texts_of_a_figure_are_escaped_and_templates_are_not():
    """Plotly reads tags in any text; only the sections write templates."""
    plain = {"data": [{"name": "<b>", "x": ["a & b", 1], "hovertemplate": "%{x}<br>"}]}
    assert escaped_values(plain) == {
        "data": [{"name": "&lt;b&gt;", "x": ["a &amp; b", 1], "hovertemplate": "%{x}<br>"}]
    }


def test_no_text_ends_the_script_that_holds_a_figure_or_rows():
    rows = tuple((Cell(NASTY),) for _ in range(ROWS_WRITTEN + 1))
    page = page_of(Figure("f", go.Figure(go.Bar(x=[NASTY], y=[1]))),
                   Table((Column("class"),), rows, sortable=True))  # fmt: skip
    figure, rest = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(figure)["data"][0]["x"] == ["&lt;/script&gt;&lt;b&gt;cat&lt;/b&gt;"]
    assert json.loads(rest) == [[NASTY]]


def test_rows_beyond_the_fold_are_data_with_what_they_sort_by():
    rows = tuple((Cell(str(i), i, "#123456"),) for i in range(ROWS_WRITTEN + 2))
    page = page_of(Table((Column("n", numeric=True),), rows, sortable=True))
    assert page.count("<td") == ROWS_WRITTEN
    assert f'["{ROWS_WRITTEN}",{ROWS_WRITTEN},"#123456"]' in page


def test_a_table_that_does_not_sort_is_written_whole():
    rows = tuple((Cell(str(i)),) for i in range(ROWS_WRITTEN + 2))
    assert page_of(Table((Column("n"),), rows)).count("<td") == ROWS_WRITTEN + 2


def test_a_choice_opens_with_its_first_view_and_is_written_whole_in_markdown():
    choice = Dropdown("of", (Option("#1", (Text("first"),)), Option("#2", (Text("second"),))))
    assert page_of(choice).count("hidden>") == 1
    text = render_markdown([Chapter("digits", "Why?", [section("a", "A", choice)])])
    assert text.index("### #1") < text.index("first") < text.index("### #2") < text.index("second")

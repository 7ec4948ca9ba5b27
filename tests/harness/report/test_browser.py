"""The page in a browser: what a reader sees, clicks and saves."""

import csv
import io
import json
from urllib.parse import unquote

import pytest

from harness.report.chapters import ORDER
from harness.report.page import ROWS_WRITTEN
from harness.report.report_writer import write_report
from tests.harness.report.browser import browser
from tests.harness.report.folders import FILE, Trial, make_results

NASTY = "<script>alert(1)</script>"
MANY = [
    Trial(heads, [heads / 200, heads / 201, heads / 202],
          row={"class_names": json.dumps([NASTY, "dog & <b>cat</b>"])})
    for heads in range(100, 100 + ROWS_WRITTEN + 10)
]  # fmt: skip
PAPER = "getComputedStyle(document.documentElement).backgroundColor"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    failed = Trial(2, status="failed", row={"error": f"ValueError: {NASTY}"})
    (made,) = write_report([make_results(folder, *MANY, failed, text=FILE)], results=folder)
    return made


@pytest.fixture(scope="module")
def drawn(chromium, file):
    """The page with every figure drawn, also in the views that are not shown first."""
    page = chromium.open(file)
    hide = "document.querySelectorAll('.option:not(:nth-of-type(2))')"
    page.ask(f"{hide}.forEach((one) => {{ one.hidden = false; }})")
    page.draw()
    page.ask(f"{hide}.forEach((one) => {{ one.hidden = true; }})")
    return page


@pytest.fixture
def page(chromium, file):
    """The page as it opens."""
    opened = chromium.open(file)
    yield opened
    chromium.close(opened)


def column(page, section, index, most=4):
    rows = f"[...document.querySelectorAll('.{section} tbody')[0].rows].slice(0, {most})"
    return page.ask(f"{rows}.map((row) => row.cells[{index}].textContent)")


def test_every_section_is_there_and_every_figure_is_drawn(drawn):
    assert drawn.ask("document.querySelectorAll('section > h2').length") == len(ORDER)
    assert drawn.ask("document.querySelectorAll('.plot').length") > 15
    empty = "[...document.querySelectorAll('.plot')].filter((one) => !one.querySelector('svg'))"
    assert drawn.ask(f"{empty}.length") == 0


def test_the_console_is_silent_and_nothing_is_asked_from_outside(drawn):
    assert drawn.errors == []
    assert [url for url in drawn.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_text_from_files_stays_text(drawn):
    """Class names and errors are shown with their brackets, in tables and in figures."""
    words = "document.querySelector('{}').textContent"
    assert NASTY in drawn.ask(words.format(".leaderboard"))
    assert NASTY in drawn.ask(words.format(".classes table"))
    assert NASTY in drawn.ask(words.format(".classes .plot"))
    assert drawn.ask("document.querySelectorAll('h1 b, td b, td script, .plot script').length") == 0


def test_rows_below_the_fold_are_made_when_asked_for(page):
    rows = "document.querySelector('.leaderboard tbody').rows.length"
    assert page.ask(rows) == ROWS_WRITTEN
    assert "of 60 rows" in page.ask("document.querySelector('.leaderboard .rows').textContent")
    page.ask("document.querySelector('.leaderboard .rows button').click()")
    assert page.ask(rows) == len(MANY)


def test_a_heading_sorts_all_rows_and_once_more_turns_them(page):
    """The worst configuration is not among the rows written, and comes first when sorted."""
    click = "document.querySelectorAll('.leaderboard th')[2].click()"
    page.ask(click)
    assert column(page, "leaderboard", 0) == ["60", "59", "58", "57"]
    page.ask(click)
    assert column(page, "leaderboard", 0) == ["1", "2", "3", "4"]


def test_the_filter_finds_a_value_among_all_rows_and_not_its_neighbours(page):
    """heads=10 would begin 100 to 109; heads=101 is below the fold."""
    write = ("(text) => { const field = document.querySelector('.leaderboard .filter');"
             " field.value = text; field.dispatchEvent(new Event('input')); }")  # fmt: skip
    page.ask(f"({write})('heads=101')")
    assert column(page, "leaderboard", 1) == ["num_heads=101"]
    page.ask(f"({write})('heads=10')")
    assert column(page, "leaderboard", 1) == []
    page.ask(f"({write})('')")
    assert column(page, "leaderboard", 0, 1) == ["1"]


def test_a_choice_shows_one_view_at_a_time(page):
    seen = "[...document.querySelectorAll('.classes .option')].map((one) => one.hidden)"
    assert page.ask(seen) == [False, True, True]
    page.ask("document.querySelectorAll('.classes [role=tab]')[1].click()")
    assert page.ask(seen) == [True, False, True]
    page.draw()
    assert page.ask("!!document.querySelectorAll('.classes .option')[1].querySelector('svg')")


def test_a_figure_is_saved_as_data_with_its_texts_as_they_are(drawn):
    text = drawn.ask("figures.csv(document.querySelector('.classes .plot'))")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 4
    assert {row["true class"] for row in rows} == {NASTY, "dog & <b>cat</b>"}
    dots = drawn.ask("figures.csv(document.querySelector('.leaderboard .plot'))")
    assert "validation accuracy, error up" in next(csv.reader(io.StringIO(dots)))


@pytest.mark.parametrize(("kind", "start"), [("svg", "data:image/svg"), ("png", "data:image/png")])
def test_a_figure_is_saved_as_an_image_with_its_title(drawn, kind, start):
    plot = "document.querySelector('.leaderboard .plot')"
    image = drawn.ask(f"figures.image({plot}, '{kind}', 'One leads <here>')")
    assert image.startswith(start)
    if kind == "svg":
        assert "One leads &#60;here&#62;" in unquote(image)


def test_the_page_follows_dark_and_light_and_prints_light(chromium, file):
    dark = chromium.open(file, dark=True)
    ink = "getComputedStyle(document.querySelector('.leaderboard .plot .xtick text')).fill"
    dark.ask("figures.draw(document.querySelector('.leaderboard .plot')).then(() => 1)")
    light_on_dark = dark.ask(ink)
    assert dark.ask(PAPER) == "rgb(21, 24, 29)"
    assert min(map(int, light_on_dark.removeprefix("rgb(").rstrip(")").split(","))) > 180
    dark.call("Emulation.setEmulatedMedia", media="print", features=[
        {"name": "prefers-color-scheme", "value": "dark"}])  # fmt: skip
    assert dark.ask(PAPER) == "rgb(255, 255, 255)"
    assert dark.ask("new Promise((done) => setTimeout(done, 300))") is None
    assert dark.ask(ink) == "rgb(0, 0, 0)"


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_page(chromium, file, width):
    page = chromium.open(file, width=width)
    assert page.ask("document.documentElement.scrollWidth") <= width
    chromium.close(page)

"""The page of a run under way in a browser: it reads itself anew and stays where the reader is."""

import time
from pathlib import Path

import pytest

from harness.report.blocks import Text, section
from harness.report.page import Chapter, render_page
from tests.harness.report.browser import browser

HOW = "performance.getEntriesByType('navigation')[0].type"
NOW = "performance.getEntriesByType('navigation')[0].type === 'reload' ? scrollY : -1"


@pytest.fixture
def page(tmp_path: Path):
    """A long page that reads itself anew every second."""
    part = section("long", "Long", *[Text(f"line {number}") for number in range(200)])
    file = tmp_path / "report.html"
    file.write_text(render_page([Chapter("x", "X", [part])], title="X", made_at="now", reload_s=1))
    with browser(tmp_path) as running:
        yield running.open(file)


def test_the_page_reads_itself_anew_where_it_was(page) -> None:
    page.ask("scrollTo(0, 1234)")
    until_s = time.monotonic() + 20
    while page.ask(NOW) < 0 and time.monotonic() < until_s:
        time.sleep(0.3)
    assert page.ask(NOW) == 1234
    assert page.errors == []


def test_who_is_busy_is_not_disturbed(page) -> None:
    page.ask("document.body.dispatchEvent(new Event('pointerdown', {bubbles: true}))")
    time.sleep(2.5)
    assert page.ask(HOW) == "navigate"

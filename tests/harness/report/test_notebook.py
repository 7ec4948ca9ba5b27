"""The report's figures and tables by name, as docs/notebook.md shows them."""

import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from harness.errors import BenchError
from harness.plugins.catalog import SHIPPED
from harness.report import (
    confusion,
    figures,
    leaderboard,
    learning_curves,
    load_results,
    pareto,
    roc_curves,
    tables,
)
from harness.report.chapters import ORDER
from tests.harness.report.folders import Trial, make_results

DOCUMENT = SHIPPED / "docs" / "notebook.md"
COSTS = {"n_parameters": 10, "mult_adds": 20, "fit_time_s": 3.0}
TRIALS = (
    Trial(1, [0.5, 0.6, 0.7], row=COSTS),
    Trial(2, [0.6, 0.7, 0.8], row=COSTS | {"n_parameters": 20}),
    Trial(4, status="failed", row={"error": "ValueError: no"}),
)


@pytest.fixture
def results(tmp_path: Path):
    make_results(tmp_path, *TRIALS)
    return load_results("digits", results=tmp_path)


def test_the_leaderboard_is_a_frame_of_numbers(results) -> None:
    """0.7 is the mean of the better one; the failed one has no place."""
    board = leaderboard(results)
    assert board["place"].tolist()[:2] == [1, 2]
    assert board["val_accuracy"][0] == pytest.approx(0.7)
    assert board["val_accuracy_low"][0] < 0.7 < board["val_accuracy_high"][0]
    assert board["status"].tolist() == ["complete", "complete", "failed"]


@pytest.mark.parametrize("draw", [learning_curves, confusion, roc_curves, pareto])
def test_a_figure_stands_under_its_title(results, draw) -> None:
    made = draw(results)
    assert isinstance(made, go.Figure)
    assert len(made.data)
    assert made.layout.title.text


def test_each_configuration_has_its_views(results) -> None:
    """Titles begin with the place, so that no view hides another."""
    assert {title[:2] for title in figures(results, "classes")} == {"#1", "#2"}
    assert confusion(results, place=2).layout.title.text.startswith("#2")


def test_tables_hold_numbers_where_the_page_sorts_by_them(results) -> None:
    board = tables(results, "leaderboard")[0]
    assert board["validation accuracy"].tolist()[:2] == pytest.approx([0.7, 0.6])


def test_every_section_can_be_asked_for(results) -> None:
    with pytest.raises(BenchError, match="there are answer, leaderboard") as told:
        figures(results, "effect")
    listed = str(told.value).partition("there are ")[2].partition(";")[0].split(", ")
    assert len(listed) == len(ORDER)
    assert "did you mean 'effects'?" in str(told.value)
    assert all(isinstance(figures(results, key), dict) for key in listed)
    text = DOCUMENT.read_text("utf-8").partition("Sections:")[2].partition("##")[0]
    assert re.findall(r"`(\w+)`", text) == listed


def test_what_can_not_be_drawn_is_said(tmp_path: Path) -> None:
    make_results(tmp_path, TRIALS[2])
    with pytest.raises(BenchError, match="No epoch of a complete"):
        learning_curves(load_results("digits", results=tmp_path))


@pytest.mark.skipif(not DOCUMENT.exists(), reason="documents are not in the wheel")
def test_the_document_runs_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its blocks, one after another, on a small result of that name."""
    make_results(tmp_path / "results", *TRIALS)
    (tmp_path / "results" / "digits").rename(tmp_path / "results" / "quickstart")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) >= 5
    assert isinstance(names["figure"], go.Figure)
    assert names["mean"].shape == (2, 2)

"""Configurations of different data: side by side, and nothing that compares them."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import Table, Text
from harness.report.chapters import OF_ALL_DATA, ORDER, build_sections
from harness.report.fold_matching import same_folds
from harness.report.page import Chapter
from harness.report.per_dataset import NOT_COMPARED, split_by_dataset
from harness.report.renderers import csv_rows, render_latex
from harness.report.sections import answer, effects, methods
from harness.results.rows import FoldPredictions
from tests.harness.report.folders import PROBABILITIES, TARGETS, Trial, results_of

GOOD, FAIR, POOR = (0.9, 0.92, 0.91), (0.7, 0.72, 0.71), (0.5, 0.52, 0.51)


def of(
    heads: int,
    val: tuple[float, ...],
    *,
    fingerprint: str = "f",
    classes: str = "ab",
    **dataset: Any,
) -> Trial:
    """A trial with that dataset section."""
    config = {"dataset": dataset, "model": {"name": "vit", "num_heads": heads},
              "objective": {"metric": "accuracy"}}  # fmt: skip
    row = {"config": json.dumps(config), "data_fingerprint": fingerprint,
           "class_names": json.dumps(list(classes))}  # fmt: skip
    validated = FoldPredictions(1, 1, "validation", ["a", "b", "c", "d"], None, TARGETS,
                                PROBABILITIES.argmax(1), PROBABILITIES)  # fmt: skip
    return Trial(heads, val, row=row, predictions=[validated])


@pytest.fixture
def results(tmp_path: Path) -> BenchmarkResults:
    """Two configurations of digits, one of cifar10 whose score lies between theirs."""
    return results_of(
        tmp_path,
        of(1, GOOD, name="digits"),
        of(2, FAIR, name="cifar10"),
        of(4, POOR, name="digits"),
    )


def test_each_dataset_has_results_of_its_own(results: BenchmarkResults) -> None:
    """In the order of the best of each; names of configurations stay."""
    parts = split_by_dataset(results)
    assert [part.name for part in parts] == ["digits", "cifar10"]
    assert [[one.name for one in part.results.complete] for part in parts] == [["#1", "#3"], ["#2"]]
    assert [len(part.results.folds) for part in parts] == [6, 3]


def test_every_section_that_compares_says_that_data_are_not_compared(
    results: BenchmarkResults,
) -> None:
    """Unless it has nothing to show of any."""
    for make, section in zip(ORDER, build_sections(results), strict=True):
        texts = [block.text for block in section.blocks if isinstance(block, Text)]
        if make not in OF_ALL_DATA and len(texts) > 1:
            assert texts[0].startswith(NOT_COMPARED), section.title
            assert "Data: cifar10." in texts, section.title


def test_no_table_holds_configurations_of_two_data(results: BenchmarkResults) -> None:
    """#2 is of other data than #1 and #3."""
    for make, section in zip(ORDER, build_sections(results), strict=True):
        tables = [block for block in section.blocks if isinstance(block, Table)]
        for table in [] if make in OF_ALL_DATA else tables:
            places = {row[0].text for row in table.rows if table.columns[0].name == "#"}
            assert not ("2" in places and places & {"1", "3"}), section.title


def test_the_answer_tells_the_best_of_each_data(results: BenchmarkResults) -> None:
    """#3 is compared with #1 alone, #2 with nobody."""
    digits, cifar10 = (part.results for part in split_by_dataset(results))
    found = answer.compute(digits)
    assert found is not None and found.others is not None
    assert [one.configuration.name for one in found.others.rows] == ["#3"]
    alone = answer.compute(cifar10)
    assert alone is not None and alone.others is None


def test_methods_claim_no_common_folds(results: BenchmarkResults, tmp_path: Path) -> None:
    text = methods.compute(results)
    assert "were trained on digits and cifar10" in text
    assert NOT_COMPARED in text
    assert "All were trained on the same folds" not in text
    same = results_of(tmp_path / "same", of(1, GOOD, name="digits"), of(2, FAIR, name="digits"))
    assert "All were trained on the same folds" in methods.compute(same)


def test_csv_places_count_within_a_data(results: BenchmarkResults) -> None:
    rows = [(row["data"], row["place"], row["trial_id"][:1]) for row in csv_rows(results)]
    assert rows == [("digits", 1, "1"), ("digits", 2, "4"), ("cifar10", 1, "2")]


def test_latex_tables_name_their_data(results: BenchmarkResults) -> None:
    text = render_latex([Chapter("digits", "?", build_sections(results))])
    assert r"\caption{digits: Leaderboard, digits" in text
    assert r"\caption{digits: Leaderboard, cifar10" in text


@pytest.mark.parametrize(
    ("other", "n_data"),
    [
        ({"path": "b.csv", "fingerprint": "g"}, 2),
        ({"path": "moved.csv"}, 1),  # the same files elsewhere
        ({"path": "a.csv", "classes": "abc"}, 2),  # another task
        ({"path": "a.csv", "fingerprint": "g"}, 1),  # such as another file of word vectors
        ({"path": "a.csv", "limit": 50}, 1),
    ],
)
def test_data_differ_by_name_path_and_classes(
    tmp_path: Path, other: dict[str, Any], n_data: int
) -> None:
    found = results_of(
        tmp_path, of(1, GOOD, name="text_csv", path="a.csv"), of(2, FAIR, name="text_csv", **other)
    )
    assert len(split_by_dataset(found)) == n_data


@pytest.mark.parametrize(("path", "same"), [("b.csv", False), ("a.csv", True)])
def test_equal_ids_of_another_table_are_not_the_same_examples(
    tmp_path: Path, path: str, same: bool
) -> None:
    """Both validate a to d; of one table, other raw files may be other word vectors."""
    found = results_of(
        tmp_path,
        of(1, GOOD, name="text_csv", path="a.csv"),
        of(2, FAIR, name="text_csv", path=path, fingerprint="g"),
    )
    assert same_folds(found)(*found.complete) is same


def test_levels_that_met_other_examples_are_not_tested(tmp_path: Path) -> None:
    """A smaller `dataset.limit` has other folds: its mean is shown, no lead is claimed."""
    limited = of(2, FAIR, name="digits", limit=60)._replace(predictions=())
    found = results_of(tmp_path, of(1, GOOD, name="digits"), limited)
    (effect,) = effects.compute(found)
    assert effect.lead is None
    assert [one.mean for one in effect.means] == pytest.approx([0.91, 0.71])
    assert "Those that were given the same examples were trained on" in methods.compute(found)

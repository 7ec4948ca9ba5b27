"""The results that are kept in the repository: whole, readable, and of the shipped files."""

from pathlib import Path

import pytest

import benchmarks
from harness.report.chapters import build_sections
from harness.report.load import load_benchmark_results
from harness.results.table_reader import read_results

KEPT = Path(__file__).parents[1] / "results" / "published"
FOLDERS = sorted(path.parent for path in KEPT.glob("*/trials"))
every_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def test_some_results_are_kept():
    assert "emotion_transformer" in {folder.name for folder in FOLDERS}


@every_folder
def test_every_trial_is_complete_and_of_a_shipped_benchmark(folder):
    shipped = {file.stem for file in Path(benchmarks.__file__).parent.glob("*.yaml")}
    trials = read_results(folder).trials
    assert set(trials["status"]) == {"complete"}
    assert set(trials["benchmark"]) == {folder.name} <= shipped


@every_folder
def test_the_report_is_made_of_it(folder):
    sections = {one.key: one for one in build_sections(load_benchmark_results(folder))}
    assert len(sections["leaderboard"].blocks) > 1


@every_folder
def test_its_readme_names_it(folder):
    assert f"`{folder.name}`" in (KEPT / "README.md").read_text(encoding="utf-8")

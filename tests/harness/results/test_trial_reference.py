"""What an operand names: a folder, a run, and a plan's trials."""

import shutil

import pytest

from harness.errors import BenchError
from harness.results.trial_reference import find_results, open_operand, split_operand
from tests.results_folders import RUN, fold, trial_rows, write_results


@pytest.fixture
def results(tmp_path):
    trials = [trial_rows(name * 16, [fold(1)], width=w) for name, w in (("a", 8), ("b", 16))]
    write_results(tmp_path / "digits", *trials, params={"model.width": [8, 16]})
    return tmp_path


def ids(source):
    return [one.trial.trial_id[0] for one in source.candidates]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits", ("digits", None, None)),
        ("digits@2026", ("digits", "2026", None)),
        ("digits:ab12", ("digits", None, "ab12")),
        ("old/digits@2026:model.name=a@b:c", ("old/digits", "2026", "model.name=a@b:c")),
    ],
)
def test_an_operand_has_three_parts(text, expected):
    assert split_operand(text) == expected


@pytest.mark.parametrize("text", ["", "digits:", "digits@", "@2026", ":ab12"])
def test_an_operand_with_an_empty_part_is_refused(text):
    with pytest.raises(BenchError, match=r"BENCHMARK\[@RUN\]\[:SELECTOR\]"):
        split_operand(text)


def test_a_folder_may_have_signs_in_its_name(tmp_path):
    folder = tmp_path / "a@b:c"
    folder.mkdir()
    assert split_operand(str(folder)) == (str(folder), None, None)


def test_a_benchmark_is_a_name_or_a_path(results):
    assert open_operand("digits", results=results).name == "digits"
    assert open_operand(str(results / "digits"), results=results / "elsewhere").name == "digits"


def test_a_misspelled_benchmark_is_told_the_nearest(results):
    with pytest.raises(BenchError, match=r"there are: digits; did you mean 'digits'"):
        find_results("digist", results=results)
    with pytest.raises(BenchError, match="there are none"):
        find_results("digits", results=results / "empty")


def test_the_last_runs_plan_counts(results):
    """A later run planned b and a third that is missing; an earlier run is asked for by name."""
    later = results / "digits" / "runs" / "20260202T000000-bbbb"
    write_results(results / "x", trial_rows("b" * 16, width=16), trial_rows("c" * 16, width=32),
                  params={"model.width": [16]}, run=later.name)  # fmt: skip
    shutil.copytree(results / "x" / "runs" / later.name, later)

    last = open_operand("digits", results=results)
    assert (last.run_id, ids(last), last.n_planned) == (later.name, ["b"], 2)
    first = open_operand("digits@20260101", results=results)
    assert (first.run_id, ids(first), first.n_planned) == (RUN, ["a", "b"], 2)


def test_without_runs_all_trials_count(results):
    shutil.rmtree(results / "digits" / "runs")
    source = open_operand("digits", results=results)

    assert (source.run_id, ids(source)) == (None, ["a", "b"])
    assert source.candidates[1].params == {"model.width": 16}


def test_a_damaged_plan_is_named(results):
    plan = results / "digits" / "runs" / RUN / "plan.parquet"
    plan.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(BenchError, match=r"plan\.parquet"):
        open_operand("digits", results=results)


def test_an_unknown_run_is_told_which_there_are(results):
    with pytest.raises(BenchError, match=f"no run '1999'.*there are {RUN}"):
        open_operand("digits@1999", results=results)


def test_the_objective_and_its_direction_come_from_the_trials(tmp_path):
    rows = trial_rows("a" * 16, [fold(1, metric="log_loss", val=0.7)], metric="log_loss")
    write_results(tmp_path / "digits", rows, metric="log_loss")
    source = open_operand("digits", results=tmp_path)

    assert (source.objective, source.mode) == ("log_loss", "min")
    assert source.candidates[0].trial.objective_mean == 0.7


def test_a_folder_without_trials_is_named(tmp_path):
    (tmp_path / "digits" / "trials").mkdir(parents=True)
    with pytest.raises(BenchError, match="no finished trial"):
        open_operand("digits", results=tmp_path)

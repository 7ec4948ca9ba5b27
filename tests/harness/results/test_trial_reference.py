"""What an operand names: a folder, a run, and a plan's trials."""

import shutil
from dataclasses import replace

import pytest

from harness.errors import BenchError
from harness.results.trial_reference import (
    choose,
    find_results,
    matching,
    open_operand,
    open_source,
    selected_values,
    split_operand,
)
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


WIDTHS, KERNELS = [8, 16], [[3, 5], [7]]


@pytest.fixture
def four_trials(tmp_path):
    """Four trials; d failed, so c is the best."""
    rows = [
        trial_rows("a1" * 8, [fold(1, val=0.5)], width=8, kernels=[3, 5], depth=2),
        trial_rows("a2" * 8, [fold(1, val=0.6)], width=8, kernels=[7], depth=2),
        trial_rows("c1" * 8, [fold(1, val=0.7)], width=16, kernels=[3, 5], depth=2),
        trial_rows("d1" * 8, [], width=16, kernels=[7], depth=2, status="failed"),
    ]
    params = {"model.width": WIDTHS, "model.kernels": KERNELS}
    write_results(tmp_path / "digits", *rows, params=params)
    return tmp_path


def source(four_trials, selector=None):
    return open_operand(f"digits:{selector}" if selector else "digits", results=four_trials)


def chosen(four_trials, selector=None):
    return choose(source(four_trials, selector)).candidate.trial.trial_id[:2]


def test_without_a_selector_the_best_on_validation_is_meant(four_trials):
    found = choose(source(four_trials))
    assert (found.candidate.trial.trial_id[:2], found.n_considered) == ("c1", 3)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("a2", "a2"),
        ("A2A2", "a2"),
        ("model.width=8", "a2"),
        ("width=8, kernels=[3, 5]", "a1"),
        ("kernels=[3,5],width=16", "c1"),
        ("depth=2", "c1"),
        ("model.name=net", "c1"),
    ],
)
def test_an_id_or_values_choose(four_trials, selector, expected):
    """Of several that match the best is meant; a section may be left out."""
    assert chosen(four_trials, selector) == expected


def test_a_selector_of_values_names_full_paths(four_trials):
    assert selected_values(source(four_trials, "width=8,kernels=[7]")) == {
        "model.width": 8,
        "model.kernels": [7],
    }
    assert selected_values(source(four_trials, "a1")) == {}


def test_all_that_match_are_kept_whatever_their_status(four_trials):
    found = matching(source(four_trials, "width=16"))
    assert [one.trial.trial_id[:2] for one in found] == ["c1", "d1"]


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("a", "2 trials of digits begin with 'a': a1"),
        ("e", "no trial of digits begins with 'e'.*model.width"),
        ("widht=8", "no parameter 'widht' in digits; did you mean .*width"),
        ("width=9", "no trial of digits has model.width=9; there are: 8, 16"),
        ("width=8,kernels=[9]", r"has model.kernels=\[9\]; there are: \[3, 5\], \[7\]"),
        ("name=net", "name may be dataset.name or model.name"),
        ("width=[8", "width: .* is no value"),
        ("d1", "trial d1d1d1d1d1d1d1d1 of digits is failed: ValueError: no"),
        ("width=16,kernels=[7]", "is failed"),
    ],
)
def test_a_selector_that_means_no_trial_is_told_what_there_is(four_trials, selector, words):
    with pytest.raises(BenchError, match=words):
        chosen(four_trials, selector)


def test_a_trial_of_another_run_is_told_where_it_is(tmp_path):
    rows = [trial_rows(name * 16, [fold(1)], width=8) for name in "ab"]
    write_results(tmp_path / "digits", *rows, planned=["a" * 16])
    with pytest.raises(BenchError, match="write digits@20260101T000000-aaaa:bb"):
        chosen(tmp_path, "bb")


def test_a_files_mapping_means_what_its_text_would(four_trials):
    found = open_source(four_trials / "digits", RUN, {"model.width": 8, "kernels": [7]})
    assert choose(found).candidate.trial.trial_id[:2] == "a2"


def test_a_variant_is_meant_by_its_name_and_as_a_value(four_trials):
    found = source(four_trials)
    named = [replace(one, params={"variant": one.trial.trial_id[0], **one.params})
             for one in found.candidates]  # fmt: skip
    of_c = replace(found, candidates=tuple(named), selector="c")
    assert choose(of_c).candidate.trial.trial_id[:2] == "c1"
    assert choose(replace(of_c, selector="variant=a")).candidate.trial.trial_id[:2] == "a2"

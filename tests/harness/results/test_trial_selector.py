"""Which trials a selector means, and what it says to one that means none."""

from dataclasses import replace

import pytest

from harness.errors import BenchError
from harness.results.trial_reference import open_operand, open_source
from harness.results.trial_selector import choose, matching, selected_values
from tests.results_folders import RUN, fold, trial_rows, write_results

WIDTHS, KERNELS = [8, 16], [[3, 5], [7]]


@pytest.fixture
def results(tmp_path):
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


def source(results, selector=None):
    return open_operand(f"digits:{selector}" if selector else "digits", results=results)


def chosen(results, selector=None):
    return choose(source(results, selector)).candidate.trial.trial_id[:2]


def test_without_a_selector_the_best_on_validation_is_meant(results):
    found = choose(source(results))
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
def test_an_id_or_values_choose(results, selector, expected):
    """Of several that match the best is meant; a section may be left out."""
    assert chosen(results, selector) == expected


def test_a_selector_of_values_names_full_paths(results):
    assert selected_values(source(results, "width=8,kernels=[7]")) == {
        "model.width": 8,
        "model.kernels": [7],
    }
    assert selected_values(source(results, "a1")) == {}


def test_all_that_match_are_kept_whatever_their_status(results):
    found = matching(source(results, "width=16"))
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
def test_a_selector_that_means_no_trial_is_told_what_there_is(results, selector, words):
    with pytest.raises(BenchError, match=words):
        chosen(results, selector)


def test_a_trial_of_another_run_is_told_where_it_is(tmp_path):
    rows = [trial_rows(name * 16, [fold(1)], width=8) for name in "ab"]
    write_results(tmp_path / "digits", *rows, planned=["a" * 16])
    with pytest.raises(BenchError, match="write digits@20260101T000000-aaaa:bb"):
        chosen(tmp_path, "bb")


def test_a_files_mapping_means_what_its_text_would(results):
    found = open_source(results / "digits", RUN, {"model.width": 8, "kernels": [7]})
    assert choose(found).candidate.trial.trial_id[:2] == "a2"


def test_a_variant_is_meant_by_its_name_and_as_a_value(results):
    found = source(results)
    named = [replace(one, params={"variant": one.trial.trial_id[0], **one.params})
             for one in found.candidates]  # fmt: skip
    of_c = replace(found, candidates=tuple(named), selector="c")
    assert choose(of_c).candidate.trial.trial_id[:2] == "c1"
    assert choose(replace(of_c, selector="variant=a")).candidate.trial.trial_id[:2] == "a2"

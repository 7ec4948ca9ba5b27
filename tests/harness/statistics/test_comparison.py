"""Two trials, and two benchmarks pair by pair, from tables to a verdict."""

from dataclasses import replace

import pytest

from harness.errors import BenchError
from harness.results.trial_reference import choose, open_operand
from harness.statistics.comparison import Headline, compare, compare_each, verdict
from tests.results_folders import fold, predicted, rotating, trial_rows, write_results


def write(root, name, *trials, **choices):
    params = {"model.width": [8, 16], "model.heads": [1, 2]}
    write_results(root / name, *trials, **{"params": params, **choices})


def compared(root, a, b):
    return compare(*(choose(open_operand(text, results=root)) for text in (a, b)))


def each(root, a, b):
    return compare_each(*(open_operand(text, results=root) for text in (a, b)))


def grid(lift, *, letter="a"):
    """Four trials of three folds; `lift` is added to every score."""
    return [
        trial_rows(f"{letter}{i}" * 8, rotating([0.5 + lift, 0.52 + lift, 0.51 + lift]),
                   width=width, heads=heads)
        for i, (width, heads) in enumerate([(8, 1), (8, 2), (16, 1), (16, 2)])
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "mode", "expected"),
    [
        (0.01, 0.05, "max", "better"),
        (-0.05, -0.01, "max", "worse"),
        (0.01, 0.05, "min", "worse"),
        (-0.05, -0.01, "min", "better"),
        (-0.01, 0.01, "max", "equivalent"),
        (-0.02, 0.01, "max", "unclear"),
        (-0.02, 0.01, "min", "unclear"),
        (None, None, "max", "untested"),
    ],
)
def test_the_whole_interval_decides(low, high, mode, expected):
    assert verdict(Headline(0.0, low, high, "", mode)) == expected


@pytest.mark.parametrize(("tolerance", "expected"), [(0.0, "worse"), (0.02, "unclear")])
def test_worse_is_worse_by_more_than_the_tolerance(tolerance, expected):
    """[-0.05, -0.01] is below 0 but not below -0.02."""
    assert verdict(Headline(-0.03, -0.05, -0.01, "", "max"), tolerance=tolerance) == expected


def test_two_trials_are_compared_on_folds_and_examples(tmp_path):
    predictions = [predicted([1, 0], ids=[f"{n}a", f"{n}b"], fold=n) for n in (1, 2, 3)]
    better = [predicted([1, 1], ids=[f"{n}a", f"{n}b"], fold=n) for n in (1, 2, 3)]
    a = trial_rows("a" * 16, rotating([0.5, 0.5, 0.6]), width=8, predictions=predictions)
    b = trial_rows("b" * 16, rotating([0.9, 1.0, 1.0]), width=16, predictions=better)
    write(tmp_path, "digits", a, b)
    found = compared(tmp_path, "digits:aa", "digits:bb")

    assert found.headline.difference == pytest.approx(1.3 / 3)
    assert verdict(found.headline) == "better"
    assert [(one.name, one.a, one.b) for one in found.differing] == [("model.width", 8, 16)]
    assert found.examples.role == "test"
    assert (found.examples.mcnemar.only_a, found.examples.mcnemar.only_b) == (0, 3)


def test_a_single_fold_is_judged_by_its_examples(tmp_path):
    """40 examples, 30 of which only b has right."""
    a, b = [0] * 30 + [1] * 10, [1] * 40
    rows = [
        trial_rows(name * 16, [fold(1, val=0.5, test=0.5)], predictions=[predicted(right)])
        for name, right in (("a", a), ("b", b))
    ]
    write(tmp_path, "digits", *rows)
    found = compared(tmp_path, "digits:aa", "digits:bb")

    assert found.headline.difference == 0.75
    assert verdict(found.headline) == "better"
    assert "one fold" in found.headline.basis


def test_a_single_fold_without_predictions_is_untested(tmp_path):
    write(tmp_path, "digits", *(trial_rows(name * 16, [fold(1)]) for name in "ab"))
    found = compared(tmp_path, "digits:aa", "digits:bb")

    assert found.examples == "no predictions are stored"
    assert verdict(found.headline) == "untested"


def test_validation_predictions_serve_where_there_is_no_test(tmp_path):
    rows = [
        trial_rows(
            name * 16,
            [fold(n, n_test=0) for n in (1, 2)],
            predictions=[predicted([1], ids=[str(n)], fold=n, role="validation") for n in (1, 2)],
        )
        for name in "ab"
    ]
    write(tmp_path, "digits", *rows)
    assert compared(tmp_path, "digits:aa", "digits:bb").examples.role == "validation"


def test_another_table_is_another_dataset_and_changed_files_are_no_pairs(tmp_path):
    """Equal options and index sets prove nothing where the raw files are others."""

    def table(path, fingerprint):
        rows = trial_rows(fingerprint * 16, rotating([0.5, 0.6]),
                          sections={"dataset": {"name": "text_csv", "path": path}})  # fmt: skip
        return replace(rows, trial={**rows.trial, "data_fingerprint": fingerprint})

    write(tmp_path, "texts", table("a.csv", "a"), table("b.csv", "b"), table("a.csv", "c"))
    other, changed = (
        compared(tmp_path, "texts:aa", "texts:bb"),
        compared(tmp_path, "texts:aa", "texts:cc"),
    )
    assert other.folds.unpaired == "the datasets are text_csv (a.csv) and text_csv (b.csv)"
    assert verdict(other.headline) == "untested"
    assert changed.folds.unpaired == "the raw files are not the same"


def test_other_datasets_are_compared_unpaired_and_never_by_example(tmp_path):
    rows = [
        trial_rows(data[0] * 16, rotating([0.5, 0.6]), dataset=data) for data in ("alpha", "beta")
    ]
    write(tmp_path, "digits", *rows)
    found = compared(tmp_path, "digits:aa", "digits:bb")

    assert found.folds.unpaired == "the datasets are alpha and beta"
    assert found.examples == "the datasets are not the same"
    assert verdict(found.headline) == "untested"


def option_pair(root, ids, option):
    """Two trials whose dataset option differs; `ids` names the example that each fold tests."""
    for side, name in enumerate("ab"):
        data = {"dataset": {"name": "digits", option: side}}
        predictions = [predicted([1], ids=[f"{ids[side]}{n}"], fold=n) for n in (1, 2)]
        rows = trial_rows(name * 16, rotating([0.5, 0.6]), sections=data, predictions=predictions)
        write(root, name, rows)
    return compared(root, "a", "b").folds.unpaired


def test_an_option_that_may_pick_examples_is_paired_only_where_they_are_the_same(tmp_path):
    """Equal index sets of another subset are other examples; another rate is not."""
    assert option_pair(tmp_path / "1", "xy", "subset") == ("dataset.subset may pick other examples")
    assert option_pair(tmp_path / "2", "xx", "rate") is None
    assert option_pair(tmp_path / "3", "xy", "normalize") is None


def test_other_objectives_are_not_compared(tmp_path):
    write(tmp_path, "digits", trial_rows("a" * 16, [fold(1)]))
    loss = trial_rows("b" * 16, [fold(1, metric="log_loss")], metric="log_loss")
    write(tmp_path, "other", loss, metric="log_loss")
    with pytest.raises(BenchError, match="accuracy in digits, log_loss in other"):
        compared(tmp_path, "digits", "other")


def test_each_configuration_meets_its_like(tmp_path):
    write(tmp_path, "old", *grid(0.0))
    write(tmp_path, "new", *grid(-0.1, letter="b")[:3])
    found = each(tmp_path, "old", "new")

    ids = [(one.a.trial.trial_id[:2], one.b.trial.trial_id[:2]) for one in found.pairs]
    assert ids == [("a0", "b0"), ("a1", "b1"), ("a2", "b2")]
    assert (found.only_a, found.only_b) == (1, 0)
    assert found.confidence == pytest.approx(1 - 0.05 / 3)
    assert all(verdict(one.headline) == "worse" for one in found.pairs)


def test_each_leaves_out_what_the_selectors_name(tmp_path):
    write(tmp_path, "digits", *grid(0.0))
    found = each(tmp_path, "digits:heads=1", "digits:heads=2")

    ids = [(one.a.trial.trial_id[:2], one.b.trial.trial_id[:2]) for one in found.pairs]
    assert ids == [("a0", "a1"), ("a2", "a3")]


def test_each_pairs_are_judged_together(tmp_path):
    """Four equal pairs: Holm takes the smallest p times four; and the intervals are wider."""
    noisy = [
        trial_rows(f"b{i}" * 8, rotating([0.6, 0.63, 0.58]), width=width, heads=heads)
        for i, (width, heads) in enumerate([(8, 1), (8, 2), (16, 1), (16, 2)])
    ]
    write(tmp_path, "old", *grid(0.0))
    write(tmp_path, "new", *noisy)
    alone = compared(tmp_path, "old:a0", "new:b0").headline
    found = each(tmp_path, "old", "new").pairs[0]

    assert found.folds.difference.p_holm == pytest.approx(4 * found.folds.difference.p)
    assert found.headline.high - found.headline.low > alone.high - alone.low


def test_each_without_a_pair_says_what_never_agrees(tmp_path):
    write(tmp_path, "digits", *grid(0.0))
    with pytest.raises(BenchError, match=r"they never agree in model.heads"):
        each(tmp_path, "digits:a0", "digits:a1")

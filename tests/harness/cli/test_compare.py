"""`bench compare`: its words and its exit codes."""

import pytest

from tests.commands import bench as in_a_process
from tests.commands import without
from tests.results_folders import fold, predicted, rotating, trial_rows, write_results


@pytest.fixture
def results(user):
    """Two trials that differ in width; the second is worse by 0.2 on every fold, give or take."""
    scores = {"a": [0.7, 0.72, 0.71], "b": [0.5, 0.53, 0.51]}
    rows = [
        trial_rows(
            name * 16,
            rotating(values),
            width=8 if name == "a" else 16,
            predictions=[predicted([1] * 4, ids=[f"{n}-{i}" for i in range(4)], fold=n)
                         for n in (1, 2, 3)],
        )
        for name, values in scores.items()
    ]  # fmt: skip
    write_results(user / "results" / "digits", *rows, params={"model.width": [8, 16]})
    return user / "results"


def test_all_that_matters_is_said(bench, results):
    """Differences -0.2, -0.19, -0.2: t(2) = 4.3027 standard errors of sqrt(7/12 / 30000)."""
    said = bench("compare", "digits:width=8", "digits:width=16")

    assert said.code == 0
    assert "digits@20260101T000000-aaaa:aaaaaaaaaaaaaaaa" in said.out
    assert "differ in    model.width (8, 16)" in said.out
    assert "test accuracy of 3 folds: the test part rotates" in said.out
    assert "B - A        -0.1967  95 % interval [-0.2156, -0.1777]" in said.out
    assert "corrected t  t(2) = " in said.out
    assert "P(B worse) 1.00" in said.out
    assert "n too small: 3 values can't give p < 0.25" in said.out
    assert "would be seen 4 times in 5" in said.out
    assert "on 12 test examples; paired bootstrap" in said.out
    assert "McNemar      p = 1.0000" in said.out
    assert "B is worse than A (test accuracy, 3 folds)" in said.out.splitlines()[-1]


def test_the_gate_is_closed_only_by_what_is_surely_worse(bench, results):
    worse, gate = ("digits:width=8", "digits:width=16"), "--fail-if-worse"

    assert bench("compare", *worse).code == 0
    assert bench("compare", *worse, gate).code == 1
    assert bench("compare", *worse, gate, "--tolerance", "0.25").code == 0
    assert bench("compare", *reversed(worse), gate).code == 0
    assert bench("compare", "digits", "digits", gate).code == 0


def test_each_shows_the_largest_loss_first_and_fails_on_one(bench, results, user):
    rows = [
        trial_rows("c" * 16, rotating([0.5, 0.52, 0.51]), width=8),
        trial_rows("d" * 16, rotating([0.5, 0.53, 0.51]), width=16),
    ]
    write_results(user / "results" / "new", *rows, params={"model.width": [8, 16]})
    said = bench("compare", "digits", "new", "--each", "--fail-if-worse")

    assert said.code == 1
    table = [line.split()[0] for line in said.out.splitlines() if line[:1] in "+-" and line]
    assert table == ["-0.2000", "+0.0000"]
    assert "intervals    97.5 % each" in said.out
    assert "1 worse, 1 equivalent" in said.out


def test_of_losses_the_larger_is_worse_and_comes_first(bench, user):
    for name, lifts in (("old", [0, 0]), ("new", [-0.3, 0.3])):
        rows = [
            trial_rows(f"{name[0]}{i}" * 8,
                       [fold(n, val=0.7 + 0.01 * n * lift + lift, metric="log_loss")
                        for n in (1, 2, 3)],
                       metric="log_loss", width=8 * (i + 1))
            for i, lift in enumerate(lifts)
        ]  # fmt: skip
        write_results(user / "results" / name, *rows, metric="log_loss",
                      params={"model.width": [8, 16]})  # fmt: skip
    said = bench("compare", "old:width=16", "new:width=16", "--fail-if-worse", "--tolerance", "0.1")
    table = bench("compare", "old", "new", "--each").out.splitlines()

    assert said.code == 1
    assert "P(B worse) 1.00" in said.out
    assert [line.split()[0] for line in table if line[:2] in ("+0", "-0")] == ["+0.3060", "-0.3060"]


def test_of_many_differing_values_a_few_are_named(bench, results, user):
    """Ten values of the model and the width."""
    many = {f"option_{i}": i for i in range(10)}
    rows = trial_rows("c" * 16, rotating([0.5, 0.5, 0.6]), **many)
    write_results(user / "results" / "new", rows, params={"model.option_0": [0]})
    said = bench("compare", "digits", "new")
    (line,) = [line for line in said.out.splitlines() if line.startswith("differ in")]
    assert line.endswith(", 3 more")


def test_the_same_trial_twice_is_named(bench, results):
    said = bench("compare", "digits", "digits")
    assert "nothing: they are the same trial" in said.out
    assert "A and B score the same on every fold" in said.out


def test_a_gate_without_an_interval_is_an_error_not_a_pass(bench, user):
    rows = [trial_rows(name * 16, [fold(1)]) for name in "ab"]
    write_results(user / "results" / "digits", *rows)
    said = bench("compare", "digits:aa", "digits:bb", "--fail-if-worse")

    assert said.code == 2
    assert "nothing can be said" in said.out
    assert "--fail-if-worse needs an interval" in said.err


def test_unpaired_folds_are_said(bench, results, user):
    rows = trial_rows("c" * 16, rotating([0.5, 0.53, 0.51], split="other"), width=8)
    write_results(user / "results" / "new", rows)
    said = bench("compare", "digits", "new")

    assert "not paired: no fold holds the same examples in both" in said.out
    assert "unpaired, t(" in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["digits"], "Missing argument 'B'"),
        (["digist", "digits"], "did you mean 'digits'?"),
        (["digits", "digits:widht=8"], "no parameter 'widht' in digits"),
        (["digits", "digits", "--tolerance", "0.01"], "give both"),
        (["digits", "digits", "--fail-if-worse", "--tolerance", "1"], "fractions"),
        (["digits", "digits", "--fail-if-worse", "--tolerance", "-1"], "allowed: from 0"),
        (["digits", "digits", "--fail-if-worse", "--tolerance", "nan"], "allowed: from 0"),
    ],
)
def test_mistakes_are_answered_with_exit_code_2(bench, results, arguments, words):
    said = bench("compare", *arguments)
    assert (said.code, words in said.err) == (2, True)


def test_a_comparison_needs_neither_torch_nor_ray(results, user):
    blocked = without(user, "torch", "ray", "plotly", "optuna")
    said = in_a_process("compare", "digits", "digits", folder=user, PYTHONPATH=blocked)
    assert (said.returncode, "verdict" in said.stdout) == (0, True)

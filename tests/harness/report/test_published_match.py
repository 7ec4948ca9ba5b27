"""Which of our rows a published number meets, and which published numbers can't be."""

import pandas as pd
import pytest

from harness.report.published_match import _repeats_of
from harness.report.sections import published
from tests.harness.report.folders import FILE, Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])


def compared(folder, *rows, trials=(EVEN,)):
    text = FILE + "published:\n" + "".join(f"  - {{{row}, source: a}}\n" for row in rows)
    return published.compute(results_of(folder, *trials, text=text))


def test_a_named_epoch_comes_from_the_learning_curves(tmp_path):
    """The curve of a fold is half its score after epoch 1 and its score after epoch 2."""
    first, last, of_fold = compared(
        tmp_path,
        "epoch: 1, val_accuracy: 0.3",
        "epoch: last, val_accuracy: 0.3",
        "epoch: 1, fold: 2, val_accuracy: 0.3",
    )
    assert (first.ours.mean, first.compared_with) == (
        pytest.approx(0.3),
        "mean over folds, epoch 1",
    )
    assert (last.ours.mean, last.compared_with) == (
        pytest.approx(0.6),
        "mean over folds, last epoch (2)",
    )
    assert (of_fold.ours.mean, of_fold.compared_with) == (pytest.approx(0.3), "fold 2, epoch 1")


def test_an_epoch_that_was_never_reached_has_no_number(tmp_path):
    (found,) = compared(tmp_path, "epoch: 9, val_accuracy: 0.3")
    assert (found.ours.mean, found.difference) == (None, None)


def test_train_values_of_an_epoch_are_called_running(tmp_path):
    (found,) = compared(tmp_path, "epoch: 1, train_accuracy: 1.0")
    assert (found.ours.mean, found.compared_with) == (
        1.0,
        "mean over folds, epoch 1, running value",
    )


@pytest.mark.parametrize(
    ("row", "n"),
    [
        ("fold: 1, test_accuracy: 0.575", None),  # 23 of 40
        ("fold: 1, test_accuracy: 0.58", None),  # rounds 23.2 of 40 to the percent
        ("fold: 1, test_accuracy: 0.587", 40),  # 23 gives 0.575, 24 gives 0.6
        ("test_accuracy: 0.3083", None),  # 37 of three folds' 120
        ("test_accuracy: 0.3041", 120),
        ("fold: 1, test_macro_f1: 0.587", None),
    ],
)
def test_an_accuracy_is_a_whole_number_of_examples_or_flagged(tmp_path, row, n):
    (found,) = compared(tmp_path, row)
    assert found.impossible == n


def test_flaws_are_named_beside_the_number_and_explained_below(tmp_path):
    found = compared(tmp_path, "test_accuracy: 0.5, flaws: [3, 99]")
    assert "3 chosen by the test set; 99" in [cell.text for cell in published.table(found).rows[0]]
    rows = published.flaws_table(found).rows
    assert [(row[0].text, row[1].text) for row in rows] == [
        ("3", "chosen by the test set"),
        ("99", "unknown"),
    ]


def test_a_failed_configuration_is_told_from_a_missing_one(tmp_path):
    found = compared(
        tmp_path, "where: {model.num_heads: 4}, test_accuracy: 0.5",
        trials=(EVEN, Trial(4, status="failed")),
    )  # fmt: skip
    assert published.table(found).rows[0][3].text == "failed"


def test_the_only_row_of_a_configuration_is_its_mean_with_its_own_interval(tmp_path):
    """Wilson for 24 of 40: 0.446 to 0.737."""
    (found,) = compared(tmp_path, "val_accuracy: 0.5", trials=(Trial(1, [0.6]),))
    assert (found.ours.low, found.ours.high) == (
        pytest.approx(0.446, abs=5e-4),
        pytest.approx(0.737, abs=5e-4),
    )
    assert found.inside


@pytest.mark.parametrize(
    ("hashes", "repeats"), [(["a", "a", "a"], [1, 2, 3]), (["a", "b", "a"], [1, 3])]
)
def test_a_fold_of_parts_cut_anew_is_that_of_the_first_repeat(hashes, repeats):
    """Fold 2 of another repeat has other examples, unless the parts are the dataset's own."""
    folds = pd.DataFrame({"repeat": [1, 2, 3], "fold": 2, "split_hash": hashes})
    others = folds.assign(fold=1, split_hash="c")
    assert _repeats_of(pd.concat([others, folds]), 2) == repeats

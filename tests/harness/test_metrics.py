"""Metrics equal scikit-learn's, and hand-derived numbers where it has another opinion."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from harness import metrics
from harness.engine.checks import read_checked
from harness.engine.runner import RunOptions, run_benchmark
from harness.errors import BenchError, SpecError
from harness.metrics import METRICS, better, compute, confusion, find, metric
from harness.report.report_writer import write_report


def _sklearn(targets, probabilities):
    predicted = probabilities.argmax(axis=1)
    averages = {"zero_division": 0}
    return {
        "accuracy": sk.accuracy_score(targets, predicted),
        "balanced_accuracy": np.mean(
            sk.recall_score(targets, predicted, labels=np.unique(targets), average=None)
        ),
        "macro_f1": sk.f1_score(targets, predicted, average="macro", **averages),
        "weighted_f1": sk.f1_score(targets, predicted, average="weighted", **averages),
        "macro_precision": sk.precision_score(targets, predicted, average="macro", **averages),
        "macro_recall": sk.recall_score(targets, predicted, average="macro", **averages),
        "roc_auc": np.mean(
            [sk.roc_auc_score(targets == one, probabilities[:, one]) for one in np.unique(targets)]
        )
        if len(np.unique(targets)) > 1
        else math.nan,
        "log_loss": sk.log_loss(targets, probabilities, labels=range(probabilities.shape[1])),
    }


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), num_classes=st.integers(2, 6))
def test_all_metrics_equal_scikit_learns(seed, n, num_classes):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, num_classes, n)
    # sixteenths: many ties, and rows that sum to one exactly
    probabilities = rng.multinomial(16, np.full(num_classes, 1 / num_classes), n) / 16
    ours = compute(list(METRICS), targets, probabilities)
    assert ours == pytest.approx(_sklearn(targets, probabilities), abs=1e-12, nan_ok=True)


def test_the_macro_auc_equals_scikit_learns_where_all_classes_occur():
    rng = np.random.default_rng(0)
    targets = np.arange(50) % 5
    probabilities = rng.dirichlet(np.ones(5), 50)
    expected = sk.roc_auc_score(targets, probabilities, multi_class="ovr", average="macro")
    assert find("roc_auc").function(targets, probabilities) == pytest.approx(expected, abs=1e-12)


def test_macro_f1_is_the_mean_of_the_class_f1s():
    """Class 0: 2 of 3 found, 1 false alarm: 2/3. Class 1: 1 of 2, 1 false alarm: 1/2."""
    targets = np.array([0, 0, 0, 1, 1])
    probabilities = np.eye(2)[[0, 0, 1, 1, 0]]
    assert confusion(targets, probabilities).tolist() == [[2, 1], [1, 1]]
    assert compute(["macro_f1"], targets, probabilities) == {"macro_f1": (2 / 3 + 1 / 2) / 2}


def test_an_auc_by_hand_counts_ties_as_half():
    """Positives .9 .5, negatives .5 .1: wins 1, 1, .5, 1 of 4; the other class mirrors it."""
    scores = np.array([0.9, 0.5, 0.5, 0.1])
    probabilities = np.stack([1 - scores, scores], axis=1)
    assert compute(["roc_auc"], np.array([1, 1, 0, 0]), probabilities) == {"roc_auc": 0.875}


def test_classes_absent_from_the_targets_are_left_out_of_the_auc():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1]])
    assert compute(["roc_auc"], np.array([0, 1]), probabilities) == {"roc_auc": 1.0}


def test_the_auc_of_one_class_and_metrics_of_nothing_are_undefined():
    assert math.isnan(compute(["roc_auc"], np.array([0, 0]), np.full((2, 2), 0.5))["roc_auc"])
    nothing = compute(list(METRICS), np.array([], int), np.empty((0, 3), np.float32))
    assert all(math.isnan(value) for value in nothing.values())


def test_a_certain_mistake_has_a_finite_log_loss():
    loss = compute(["log_loss"], np.array([1]), np.array([[1.0, 0.0]], np.float32))["log_loss"]
    assert loss == pytest.approx(-math.log(2**-23))


def test_every_metric_carries_its_direction():
    assert {name for name in METRICS if METRICS[name].mode == "min"} == {"log_loss"}
    needy = {name for name in METRICS if METRICS[name].needs_probabilities}
    assert needy == {"roc_auc", "log_loss"}
    assert all(METRICS[name].function.__doc__ for name in METRICS)


def test_better_is_strict_and_nan_never_wins():
    assert better("max", 0.2, 0.1)
    assert not better("max", 0.1, 0.1)
    assert better("min", 0.1, 0.2)
    assert better("max", 0.0, math.nan)
    assert not better("min", math.nan, 0.5)
    assert not better("max", math.nan, math.nan)


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(BenchError, match=r"'acuracy'; did you mean 'accuracy'"):
        compute(["acuracy"], np.array([0]), np.ones((1, 1)))


def test_accuracy_is_cheap_enough_to_be_asked_every_epoch():
    """About 15 us for 360 rows of 10 classes; ten times that would be felt."""
    rng = np.random.default_rng(0)
    targets, probabilities = rng.integers(0, 10, 360), rng.random((360, 10), np.float32)
    function = METRICS["accuracy"].function
    times_s = []
    for _ in range(200):
        start_s = time.perf_counter()
        function(targets, probabilities)
        times_s.append(time.perf_counter() - start_s)
    assert min(times_s) < 150e-6


ADDED = """\
question: Is a metric that is declared once known everywhere?
dataset: {name: digits, limit: 100}
model: {name: linear}
training: {epochs: 2, batch_size: 16, optimizer: adam, lr: 0.01}
cross_validation: {strategy: holdout}
objective: {metric: squared_distance}
metrics: [accuracy]
published: [{test_squared_distance: 1.5, source: a paper}]
"""


def test_a_metric_declared_once_is_accepted_trained_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less is better and values reach 2, so neither direction nor range is the usual one."""
    (tmp_path / "added.yaml").write_text(ADDED)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match="unknown metric"):
        read_checked(tmp_path / "added.yaml")

    with _declared():
        assert read_checked(tmp_path / "added.yaml").metrics == ("squared_distance", "accuracy")
        outcome = run_benchmark(RunOptions("added.yaml", in_process=True), lambda event: None)
        assert outcome.summary.complete == 1
        [page] = write_report([tmp_path / "results" / "added"], results=tmp_path / "results")

    epochs = pd.read_parquet(tmp_path / "results" / "added" / "epochs")
    folds = pd.read_parquet(tmp_path / "results" / "added" / "folds")
    chosen = epochs.set_index("epoch")["val_squared_distance"]
    assert folds["best_epoch"].tolist() == [chosen.idxmin()]
    assert folds["val_squared_distance"].tolist() == pytest.approx([chosen.min()])
    assert "distance squared" in page.read_text(encoding="utf-8")


@contextmanager
def _declared() -> Iterator[None]:
    """The metric is known within the block, by its declaration alone."""

    @metric(mode="min", title="distance squared", needs_probabilities=True, is_fraction=False)
    def squared_distance(targets, probabilities):
        """Mean squared distance of the probabilities from the true class."""
        return float(((probabilities - np.eye(probabilities.shape[1])[targets]) ** 2).sum(1).mean())

    try:
        yield
    finally:
        del metrics._metrics["squared_distance"]

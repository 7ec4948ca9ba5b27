"""A trial's job, and what its outcome says in the tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.data.types import Array, Fold, TrialData
from harness.metrics import compute
from harness.plugins.catalog import Entry
from harness.results.provenance import device_name, utc_now
from harness.results.rows import FoldPredictions, TrialRows
from harness.results.summaries import loss_summary, metric_summary
from harness.results.tables import PARAMS, FoldRow, TrialRow

if TYPE_CHECKING:
    from harness.training.model_summary import ModelCounts
    from harness.training.types import EpochResult, FoldOutcome

Row = dict[str, Any]

_SPLIT_OF = {"train": "train", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Initial:
    """The weights that a trial starts from, where they are not random.

    source: in words, such as `pretraining 0123456789abcdef`.
    pretraining_id: null for a file's weights; the accuracies are those of the pretraining's task.
    epochs: its epoch rows. error: why there are no weights; the trial fails with it.
    """

    source: str
    pretraining_id: str | None = None
    val_accuracy: float | None = None
    test_accuracy: float | None = None
    epochs: tuple[Row, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class TrialJob:
    """Everything that a worker needs to train one trial, but the data and the model's code.

    Attributes:
        benchmark: Its name.
        run_id: Of the run that trains it.
        trial_id: See `harness.engine.identity`.
        variant: Of the file.
        params: Dotted path -> resolved value, None where the parameter does not exist.
        config: `dataset, model, training, cross_validation, seed, objective` as resolved, plain
            values.
        model: The file that its model is built from.
        data_key: Equal for trials that train on the same examples and folds.
        metrics: That are computed.
        objective: The metric that decides.
        mode: `max` or `min` of the objective.
        repeats: Those to train now, counted from 1.
        previous_folds: Rows of `folds` of repeats that are done.
        resources_cpu: Threads.
        device: As torch names it.
        keep_predictions: Whether they are written.
        data_fingerprint: Of its raw files.
        code_fingerprint: Of its model's and its dataset's file.
        git_commit: Of the folder that the run was started in.
        versions: Of the installed packages, JSON text.
        attempt: How often it was tried before; in a worker also this time.
        counts: Of the model, where the driver knows them; else the worker counts.
        diagnostics: `layers` writes rows of that table.
        initial: What it starts from; None for random weights.
        start_key: Of the weights that it starts from; None for random ones.
        execution: How the folds of earlier repeats were trained, which `auto` keeps to.
        complete_before: The tables hold complete rows of it.
        goes_on: An earlier run left a checkpoint of it.
    """

    benchmark: str
    run_id: str
    trial_id: str
    variant: str | None
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    model: Entry
    data_key: str
    metrics: tuple[str, ...]
    objective: str
    mode: str
    repeats: tuple[int, ...]
    previous_folds: tuple[Row, ...]
    resources_cpu: int
    device: str
    keep_predictions: bool
    data_fingerprint: str
    code_fingerprint: str
    git_commit: str | None
    versions: str
    attempt: int = 1
    counts: "ModelCounts | None" = None
    diagnostics: str = "none"
    initial: Initial | None = None
    start_key: str | None = None
    execution: str | None = None
    complete_before: bool = False
    goes_on: bool = False

    def rows_may_be_replaced(self, *, failed: bool) -> bool:
        """Return whether rows of a trial that did not complete may take the place of older ones.

        Never of complete ones, unless all of the trial was trained again and that is what failed.

        Args:
            failed: The trial failed; else it was interrupted.
        """
        if self.previous_folds:
            return False
        return failed or not self.complete_before


def failed_rows(
    job: TrialJob,
    error: str,
    epochs: Sequence[Row],
    *,
    trace: str | None = None,
    started_at: datetime | None = None,
    findings: Sequence[str] | None = None,
) -> TrialRows:
    """Return the rows of a trial that failed: its epochs, no folds, no predictions.

    Args:
        job: What was to be trained.
        error: What went wrong, in one line.
        epochs: Its epoch rows so far.
        trace: Where it went wrong.
        started_at: When its last attempt began.
        findings: Codes known so far; None where it ended before its model was looked at.
    """
    row = _ended(job, "failed", epochs, started_at=started_at, findings=findings)
    failed = replace(row, error=error, traceback=trace)
    return TrialRows(trial=failed.cells(), epochs=with_pretraining(job, epochs))


def ended_rows(
    job: TrialJob,
    status: str,
    epochs: Sequence[Row],
    *,
    started_at: datetime | None = None,
    findings: Sequence[str] | None = None,
) -> TrialRows:
    """Return the rows of a trial that did not complete, and did not fail.

    Args:
        job: What was to be trained.
        status: `pruned` or `interrupted`.
        epochs: Its epoch rows so far.
        started_at: When its last attempt began.
        findings: Codes known so far; None where it ended before its model was looked at.
    """
    row = _ended(job, status, epochs, started_at=started_at, findings=findings)
    return TrialRows(trial=row.cells(), epochs=with_pretraining(job, epochs))


def with_pretraining(job: TrialJob, epochs: Sequence[Row]) -> tuple[Row, ...]:
    """Return the trial's epoch rows, those of its pretraining first, without repeat and fold."""
    earlier = job.initial.epochs if job.initial else ()
    return (*({"trial_id": job.trial_id, **row} for row in earlier), *epochs)


def identity(job: TrialJob, status: str, *, started_at: datetime | None) -> TrialRow:
    """Return what a trials row says whatever became of the trial; it ends now."""
    return TrialRow(
        benchmark=job.benchmark,
        run_id=job.run_id,
        trial_id=job.trial_id,
        variant=job.variant,
        status=status,
        attempt=job.attempt,
        params={f"{PARAMS}{path}": value for path, value in job.params.items()},
        device=device_name(job.device),
        seed=job.config["seed"],
        started_at=started_at,
        finished_at=utc_now(),
        config=json.dumps(job.config, ensure_ascii=False),
        data_fingerprint=job.data_fingerprint,
        code_fingerprint=job.code_fingerprint,
        git_commit=job.git_commit,
        versions=job.versions,
        pretraining_id=job.initial.pretraining_id if job.initial else None,
        pretraining_val_accuracy=job.initial.val_accuracy if job.initial else None,
        pretraining_test_accuracy=job.initial.test_accuracy if job.initial else None,
    )


def summarized(
    row: TrialRow, job: TrialJob, folds: Sequence[Row], epochs: Sequence[Row]
) -> TrialRow:
    """Return the row with the numbers over all folds and repeats.

    Args:
        row: Of a trial that is complete.
        job: What was trained.
        folds: Its rows of `folds`, those of earlier calls among them.
        epochs: Its epoch rows of this call; of earlier repeats only the chosen epoch is known, so
            that `epochs_trained` is the most of both.
    """
    best = job.config["training"].get("selection", "best") == "best"
    trained = [epoch["epoch"] for epoch in epochs] + [fold["best_epoch"] for fold in folds]
    return replace(
        row,
        n_folds=len({fold["fold"] for fold in folds}),
        n_repeats=len({fold["repeat"] for fold in folds}),
        epochs_trained=max(trained),
        scores=metric_summary(folds, job.metrics),
        losses=loss_summary(folds),
        selected_on=f"validation {job.objective}" if best else "last epoch",
        fit_time_s=float(sum(fold["fit_time_s"] for fold in folds)),
    )


def epoch_rows(job: TrialJob, result: "EpochResult") -> tuple[Row, ...]:
    """Return one row for each fold that trained in this epoch."""
    return tuple(
        replace(row, trial_id=job.trial_id, stage="training").cells(objective=job.objective)
        for row in result.folds
    )


def fold_row(job: TrialJob, data: TrialData, fold: Fold, *, outcome: "FoldOutcome") -> Row:
    """Return the fold's sizes, and loss and metrics of every role that has examples."""
    return FoldRow(
        trial_id=job.trial_id,
        repeat=fold.repeat,
        fold=fold.fold,
        test_part=fold.test_part,
        n_train=len(fold.train),
        n_train_per_epoch=outcome.n_train_per_epoch,
        n_validation=len(fold.validation),
        n_test=len(fold.test),
        split_hash=fold.split_hash,
        best_epoch=outcome.best_epoch,
        scores=_scores(job, data, fold, outcome),
        losses={f"{_SPLIT_OF[role]}_loss": outcome.losses.get(role) for role in _roles(fold)},
        weights_source=_source(job, outcome.weights_source),
        fit_time_s=outcome.fit_time_s,
        predict_time_s=outcome.predict_time_s,
    ).cells()


def fold_predictions(
    data: TrialData, fold: Fold, outcome: "FoldOutcome"
) -> tuple[FoldPredictions, ...]:
    """Return what the chosen weights predict for validation and, where there is one, test."""
    return tuple(
        FoldPredictions(
            repeat=fold.repeat,
            fold=fold.fold,
            role=role,
            example_ids=data.example_ids[indices],
            groups=None if data.groups is None else data.groups[indices],
            targets=data.targets[indices],
            predicted=outcome.predictions[role].argmax(1),
            probabilities=outcome.predictions[role],
        )
        for role, indices in _roles(fold).items()
        if role != "train" and role in outcome.predictions
    )


def _ended(
    job: TrialJob,
    status: str,
    epochs: Sequence[Row],
    *,
    started_at: datetime | None,
    findings: Sequence[str] | None,
) -> TrialRow:
    return replace(
        identity(job, status, started_at=started_at),
        findings=None if findings is None else ",".join(findings),
        epochs_trained=max((row["epoch"] for row in epochs), default=0),
        fit_time_s=float(sum(row["epoch_time_s"] for row in epochs)),
    )


def _source(job: TrialJob, epoch: str) -> str:
    return f"{epoch}, from {job.initial.source}" if job.initial else epoch


def _scores(
    job: TrialJob, data: TrialData, fold: Fold, outcome: "FoldOutcome"
) -> dict[str, float | None]:
    """Return the metric columns of a fold; null for a role without examples."""
    scores: dict[str, float | None] = {}
    for role, indices in _roles(fold).items():
        probabilities = outcome.predictions.get(role)
        values: Mapping[str, float | None] = dict.fromkeys(job.metrics)
        if probabilities is not None:
            values = compute(job.metrics, data.targets[indices], probabilities)
        scores |= {f"{_SPLIT_OF[role]}_{metric}": value for metric, value in values.items()}
    return scores


def _roles(fold: Fold) -> dict[str, Array]:
    return {"train": fold.train, "validation": fold.validation, "test": fold.test}

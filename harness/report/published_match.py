"""Find our number that a published one is compared with."""

from typing import TYPE_CHECKING, NamedTuple

from harness.config.sections import Published
from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.statistics.intervals import Estimate, count_behind, estimate, wilson

if TYPE_CHECKING:
    import pandas as pd

SIZE_COLUMN = {"val": "n_validation", "test": "n_test", "train": "n_train"}
MOST_DECIMALS = 9  # beyond it a float's own rounding speaks


class ReproducedScore(NamedTuple):
    """Our number, and in words which rows it comes from."""

    estimate: Estimate
    compared_with: str


def needs_epochs(row: Published, column: str) -> bool:
    """Return whether a published number belongs to an epoch that the table `epochs` has."""
    return row.epoch not in (None, "best") and column.startswith(("val_", "train_"))


def find_reproduced_score(
    results: BenchmarkResults,
    row: Published,
    column: str,
    configuration: Configuration,
    epochs: "pd.DataFrame",
) -> ReproducedScore:
    """Return our number of the same fold, or mean over folds, and of the same epoch if it is kept.

    Args:
        results: Of the benchmark.
        row: The published row.
        column: The column of `folds` or `epochs` that its number belongs to.
        configuration: The configuration that it is compared with.
        epochs: Rows of `epochs`, at least those of this configuration if `needs_epochs`.
    """
    where = "mean over folds" if row.fold is None else f"fold {row.fold}"
    folds = results.folds[results.folds["trial_id"] == configuration.trial_id]
    if row.fold is not None:
        repeats = _repeats_of(folds, row.fold)
        folds = folds[folds["repeat"].isin(repeats)]
        epochs = epochs[epochs["repeat"].isin(repeats)] if "repeat" in epochs.columns else epochs
    if needs_epochs(row, column) and column in epochs.columns and epochs[column].notna().any():
        found = _of_epoch(epochs[epochs["trial_id"] == configuration.trial_id], row.epoch)
        running = ", running value" if column.startswith("train_") else ""
        epoch = _last(found) if row.epoch == "last" else f"epoch {row.epoch}"
        return ReproducedScore(
            _estimate(results, found, folds, column, row.fold), f"{where}, {epoch}{running}"
        )
    chosen = next(iter(folds["weights_source"].dropna()), None)
    if row.epoch is not None and row.epoch != chosen and chosen is not None:
        where += f", our {chosen} epoch"
    return ReproducedScore(_estimate(results, folds, folds, column, row.fold), where)


def impossible_count(
    results: BenchmarkResults, row: Published, column: str, value: float
) -> int | None:
    """Return the number of examples that can't give a published accuracy; None if they can.

    The size of a fold is ours; if the row names none, all folds of one repeat count together.
    """
    split, _, metric = column.partition("_")
    limited = any(variant.dataset.limit is not None for variant in results.spec.variants)
    if metric != "accuracy" or split == "train" or limited or results.folds.empty:
        return None
    sizes = results.folds.groupby("fold")[SIZE_COLUMN[split]].first()
    sizes = sizes if row.fold is None else sizes[sizes.index == row.fold]
    if sizes.empty or sizes.isna().any() or sizes.nunique() > 1 or sizes.iloc[0] < 1:
        return None
    n = int(sizes.sum())
    decimals = min(len(repr(value).partition(".")[2]), MOST_DECIMALS)
    return n if count_behind(value, n, decimals=decimals) is None else None


def _repeats_of(folds: "pd.DataFrame", fold: int) -> list[int]:
    """Return the repeats in which a fold holds the examples that it holds in the first.

    Repeats of parts that are cut again have other examples under the same number.
    """
    own = folds[folds["fold"] == fold].sort_values("repeat")
    if own.empty or "split_hash" not in own.columns or own["split_hash"].isna().all():
        return sorted(own["repeat"].tolist())
    same = own["split_hash"] == own["split_hash"].iloc[0]
    return [int(repeat) for repeat in own.loc[same, "repeat"]]


def _last(rows: "pd.DataFrame") -> str:
    numbers = sorted({int(epoch) for epoch in rows["epoch"]})
    return (
        f"last epoch ({' to '.join(str(number) for number in numbers[:: len(numbers) - 1 or 1])})"
    )


def _of_epoch(rows: "pd.DataFrame", epoch: int | str | None) -> "pd.DataFrame":
    """Return the rows of an epoch of training, or of the last one of each fold."""
    training = rows[rows["stage"] == "training"]
    if epoch == "last":
        ordered = training.sort_values("epoch", kind="stable")
        return ordered.groupby(["repeat", "fold"], as_index=False).last()
    found: pd.DataFrame = training[training["epoch"] == epoch]
    return found


def _estimate(
    results: BenchmarkResults,
    rows: "pd.DataFrame",
    folds: "pd.DataFrame",
    column: str,
    fold: int | None,
) -> Estimate:
    """Return the mean over folds, or of one fold over repeats, with the interval that it allows."""
    split, _, metric = column.partition("_")
    if column not in rows.columns:
        return Estimate(None)
    if fold is None and len(rows) == 1:
        fold = int(rows["fold"].iloc[0])  # one row is its own mean
    if fold is None:
        return estimate(rows[column].to_numpy(dtype=float), results.size_ratio(split))
    rows = rows[rows["fold"] == fold]
    if rows.empty or rows[column].isna().any():
        return Estimate(None)
    mean = float(rows[column].mean())
    sizes = folds.loc[folds["fold"] == fold, SIZE_COLUMN[split]]
    examples = int(sizes.iloc[0]) if len(sizes) and sizes.notna().all() else 0
    if metric != "accuracy" or len(rows) > 1 or examples < 1 or split == "train":
        return Estimate(mean)
    found = wilson(round(mean * examples), examples)
    return Estimate(mean, found.low, found.high)

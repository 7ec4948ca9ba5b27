"""What trials reported epoch by epoch, read back from the table `epochs`."""

from collections.abc import Collection
from pathlib import Path

Curve = tuple[tuple[int, float], ...]


def fold_means(folder: Path, trial_ids: Collection[str], *, metric: str) -> dict[str, Curve]:
    """Trial id -> (epoch, validation mean over folds and repeats) of each epoch, as it was told.

    A fold or repeat that stopped early counts with its last value. Trials without epochs, and
    epochs without a value, are left out.
    """
    from harness.results.table_reader import read_table

    if not trial_ids:
        return {}
    column = f"val_{metric}"
    where = [("trial_id", "in", sorted(trial_ids)), ("stage", "==", "training")]
    rows = read_table(folder, "epochs", filters=where)
    if column not in rows.columns or rows.empty:
        return {}
    found: dict[str, Curve] = {}
    for trial_id, of_trial in rows.groupby("trial_id"):
        wide = of_trial.pivot_table(index="epoch", columns=["repeat", "fold"], values=column)
        means = wide.sort_index().ffill().mean(axis=1).dropna()
        epochs = (int(epoch) for epoch in means.index)
        found[str(trial_id)] = tuple(zip(epochs, means.tolist(), strict=True))
    return found

"""The results of one benchmark as every section reads them: a plan and its tables, ranked."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.config.benchmark import BenchmarkSpec
from harness.statistics.fold_comparison import rotates
from harness.statistics.intervals import Estimate, estimate, estimates

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]
ROLE_OF = {"val": "validation", "test": "test", "train": "train"}
FOLD = ["repeat", "fold"]


@dataclass(frozen=True)
class Configuration:
    """One configuration on every figure and table.

    place: 1 is the best on validation; None unless complete. name: `#1` or the trial id's start.
    label: its parameters in words. row: its row of `trials`, empty where it has none.
    """

    trial_id: str
    status: str
    place: int | None
    label: str
    colour: str
    params: Mapping[str, Any]
    row: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @property
    def name(self) -> str:
        """`#3`, or the start of the trial id where it has no place."""
        return f"#{self.place}" if self.place else self.trial_id[:8]


@dataclass(frozen=True)
class BenchmarkResults:
    """One benchmark's results for one run's plan (or `all`).

    configurations: the complete ones by place, then the others. folds: rows of complete trials.
    epochs, predictions, items, attention, layers: read the rows of these trials when asked; items
    are predictions of one role without probabilities.
    names: searched path -> short name, of those that differ between configurations.
    record: run.json. resolved: the text of the resolved file. data_cards: dataset -> card.
    previews: dataset -> examples to look at, see harness.data.previews.
    notes: what of the folder is left out, and why, one sentence each.
    """

    name: str
    folder: Path
    run_id: str
    spec: BenchmarkSpec
    mode: str
    configurations: tuple[Configuration, ...]
    names: Mapping[str, str]
    baseline: Configuration | None
    folds: "pd.DataFrame"
    epochs: Callable[[Collection[str]], "pd.DataFrame"]
    predictions: Callable[[str], "pd.DataFrame"]
    items: Callable[[Collection[str], str], "pd.DataFrame"]
    attention: Callable[[str], "pd.DataFrame"]
    layers: Callable[[Collection[str]], "pd.DataFrame"]
    record: Mapping[str, Any] = field(default_factory=dict)
    resolved: str = ""
    data_cards: Mapping[str, Any] = field(default_factory=dict)
    previews: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def objective(self) -> str:
        """The metric that ranks."""
        return self.spec.objective.metric

    @cached_property
    def complete(self) -> tuple[Configuration, ...]:
        """The complete configurations, best first."""
        return tuple(one for one in self.configurations if one.place)

    @property
    def best(self) -> Configuration | None:
        """The complete configuration with the best validation mean."""
        return self.complete[0] if self.complete else None

    @property
    def reference(self) -> Configuration | None:
        """What others are compared with: the baseline, or the best where none is named."""
        return self.baseline or self.best

    @cached_property
    def test_rotates(self) -> bool:
        """Whether each configuration's folds test parts of their own, as for `bench compare`."""
        parts: dict[str, list[Mapping[str, Any]]] = {}
        names = ("trial_id", "repeat", "test_part")
        for trial_id, repeat, part in zip(*(self.folds[name] for name in names), strict=True):
            parts.setdefault(trial_id, []).append({"repeat": repeat, "test_part": part})
        return rotates(*parts.values())

    @property
    def compared_split(self) -> str:
        """The scores that configurations are compared on: test where it rotates, else val."""
        return "test" if self.test_rotates else "val"

    def size_ratio(self, split: str) -> float:
        """Evaluated examples per train example, mean over folds."""
        column = {"val": "n_validation", "test": "n_test", "train": "n_train"}[split]
        ratio = (self.folds[column] / self.folds["n_train"]).mean()
        return float(ratio) if np.isfinite(ratio) else 0.0

    @cached_property
    def shared_folds(self) -> list[tuple[int, int]]:
        """(repeat, fold) that every complete configuration has; some may have more repeats."""
        counts = self.folds.groupby(FOLD).size()
        everyone = self.folds["trial_id"].nunique()
        return list(counts.index[counts == everyone])

    def scores(self, column: str) -> "pd.DataFrame":
        """A column of `folds` as (complete configurations by place) x (shared repeat, fold)."""
        ids = [one.trial_id for one in self.complete]
        if column not in self.folds.columns:
            return self.folds.head(0).set_index("trial_id")[[]].reindex(ids)
        wide = self.folds.pivot(index="trial_id", columns=FOLD, values=column)
        return wide.reindex(ids)[self.shared_folds]

    def estimates(self, column: str) -> dict[str, Estimate]:
        """Trial id -> mean over folds and repeats of a column of `folds`, with its interval.

        A configuration with more repeats than others counts them all.
        """
        ratio = self.size_ratio(column.partition("_")[0])
        wide = self.scores(column)
        found = dict(zip(wide.index, estimates(wide.to_numpy(dtype=float), ratio), strict=True))
        if column in self.folds.columns and len(wide.columns) < self.folds.groupby(FOLD).ngroups:
            for trial_id, rows in self.folds.groupby("trial_id"):
                found[str(trial_id)] = estimate(rows[column].to_numpy(dtype=float), ratio)
        return found

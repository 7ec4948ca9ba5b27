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
    """A configuration, as it is called and coloured in every figure and table.

    Attributes:
        trial_id: The trial's id in the tables.
        status: The trial's status, or `missing` if it has no row.
        place: 1 for the best on validation; None unless complete.
        label: The parameters that differ between configurations, as text.
        colour: The colour of its place.
        params: Path -> value of the parameters that differ between configurations.
        row: The trial's row of `trials`; empty if it has none.
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
        """`#3`, or the start of the trial id if it has no place."""
        return f"#{self.place}" if self.place else self.trial_id[:8]


@dataclass(frozen=True)
class BenchmarkResults:
    """The results of one benchmark, for the plan of one run or for all of them.

    Attributes:
        name: The benchmark's name.
        folder: Its results folder.
        run_id: The run whose plan is reported, or `all`.
        spec: The benchmark file.
        mode: `max` or `min`, of the objective.
        configurations: The complete ones by place, then the others.
        names: Searched path -> short name, of those that differ between configurations.
        baseline: What others are compared with, if a baseline is named and complete.
        folds: Rows of `folds` of the complete trials.
        epochs: Reads rows of `epochs` of trials.
        predictions: Reads rows of `predictions` of one trial.
        items: Reads predictions of trials for one role, without probabilities.
        attention: Reads rows of `attention` of one trial.
        layers: Reads rows of `layers` of trials.
        record: Contents of run.json.
        resolved: The text of the resolved benchmark file.
        data_cards: Dataset -> its entry of data_card.json.
        previews: Dataset -> examples to show, see harness.data.previews.
        notes: What of the folder is left out, and why, one sentence each.
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
        """The metric that ranks configurations."""
        return self.spec.objective.metric

    @cached_property
    def complete(self) -> tuple[Configuration, ...]:
        """The complete configurations, best first."""
        return tuple(configuration for configuration in self.configurations if configuration.place)

    @property
    def best(self) -> Configuration | None:
        """The complete configuration with the best validation mean."""
        return self.complete[0] if self.complete else None

    @property
    def reference(self) -> Configuration | None:
        """What others are compared with: the baseline, or the best if none is named."""
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
        """Return the number of evaluated examples per train example, mean over folds."""
        column = {"val": "n_validation", "test": "n_test", "train": "n_train"}[split]
        ratio = (self.folds[column] / self.folds["n_train"]).mean()
        return float(ratio) if np.isfinite(ratio) else 0.0

    @cached_property
    def shared_folds(self) -> list[tuple[int, int]]:
        """The (repeat, fold) that every complete configuration has; some have more repeats."""
        counts = self.folds.groupby(FOLD).size()
        everyone = self.folds["trial_id"].nunique()
        return list(counts.index[counts == everyone])

    def scores(self, column: str) -> "pd.DataFrame":
        """Return a column of `folds`: complete configurations by place, shared (repeat, fold)."""
        ids = [configuration.trial_id for configuration in self.complete]
        if column not in self.folds.columns:
            return self.folds.head(0).set_index("trial_id")[[]].reindex(ids)
        wide = self.folds.pivot(index="trial_id", columns=FOLD, values=column)
        return wide.reindex(ids)[self.shared_folds]

    def estimates(self, column: str) -> dict[str, Estimate]:
        """Return trial id -> mean of a column of `folds` over folds and repeats, with its interval.

        A configuration with more repeats than others counts them all.
        """
        ratio = self.size_ratio(column.partition("_")[0])
        wide = self.scores(column)
        found = dict(zip(wide.index, estimates(wide.to_numpy(dtype=float), ratio), strict=True))
        if column in self.folds.columns and len(wide.columns) < self.folds.groupby(FOLD).ngroups:
            for trial_id, rows in self.folds.groupby("trial_id"):
                found[str(trial_id)] = estimate(rows[column].to_numpy(dtype=float), ratio)
        return found

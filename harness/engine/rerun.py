"""One trial trained again from its row, outside the results, and compared number by number."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.config.yaml_io import dump, parse
from harness.engine.options import RunOptions
from harness.engine.plan import PlannedTrial
from harness.engine.runner import RunOutcome, run_benchmark
from harness.errors import BenchError
from harness.events import OnEvent
from harness.plugins import catalog
from harness.results.layout import RESOLVED, RUNS
from harness.results.runs import read_resolved
from harness.results.table_reader import read_table
from harness.results.trial_reference import Candidate, Source, matching

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMED = 5  # trials that match a selector, in the message that asks for another one

# Sections of a row's configuration that make up a benchmark file, and keys of the file that wrote
# the row which decide what a trial leaves.
_SECTIONS = ("dataset", "model", "training", "pretraining", "cross_validation", "seed", "objective")
_KEYS_OF_RUN = ("metrics", "resources", "predictions")

_PLACE = ["repeat", "fold"]
_TIMES = ("fit_time_s", "predict_time_s", "epoch_time_s")


@dataclass(frozen=True)
class RowDiff:
    """How far the rows of two trials agree.

    Attributes:
        n_folds: Folds that were compared.
        n_predictions: Predictions that were compared.
        scores: Column of `folds` -> largest absolute difference of a fold, where there is one.
        n_changed: Predictions with another class.
        probability_difference: The largest of any class of any example.
        first_epoch: The first whose loss or score differs; None where none does.
        unequal: What can't be compared, in words, such as other folds.
    """

    n_folds: int
    n_predictions: int
    scores: Mapping[str, float]
    n_changed: int = 0
    probability_difference: float = 0.0
    first_epoch: int | None = None
    unequal: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether every number is the same, to the last bit."""
        exact = not self.scores and not self.n_changed and not self.probability_difference
        return exact and self.first_epoch is None and not self.unequal


@dataclass(frozen=True)
class Rerun:
    """A trial trained again, compared with its row.

    Attributes:
        trial_id: Of the row.
        same: Whether it gave the same numbers, or failed with the same error.
        diff: Number by number; None where one of the two failed.
        error: Of the rerun.
        reasons: What differs in how the two were made; empty where nothing recorded does.
    """

    trial_id: str
    same: bool
    diff: RowDiff | None
    error: str | None
    reasons: tuple[str, ...]


def find_trial(source: Source) -> Candidate:
    """Return the one finished trial that the selector of a results folder names.

    Raises:
        BenchError: There is none or several, or it was pruned or interrupted.
    """
    candidates = matching(source)
    if len(candidates) != 1:
        named = ", ".join(candidate.trial.trial_id for candidate in candidates[:MOST_NAMED])
        raise BenchError(
            f"{len(candidates)} trials match {source.selector!r}: {named}; "
            "name one by its id, or by more parameters"
        )
    (candidate,) = candidates
    if candidate.trial.status not in ("complete", "failed"):
        raise BenchError(
            f"trial {candidate.trial.trial_id} is {candidate.trial.status}: it has no numbers to "
            "repeat; `bench run` trains it"
        )
    return candidate


def rerun(folder: Path, trial: Candidate, *, options: RunOptions, on_event: OnEvent) -> Rerun:
    """Train a trial again as its row says, with today's code, and compare; writes nothing here.

    Args:
        folder: Of the results.
        trial: A finished trial of it.
        options: Where the data is and where it trains; its file and results are replaced.
        on_event: Receives what the run does.

    Raises:
        SpecError: Today's models or datasets no longer take what the row says.
    """
    with tempfile.TemporaryDirectory(prefix="bench-rerun-") as scratch:
        file = Path(scratch) / f"{folder.name}.yaml"
        file.write_text(dump(_as_file(folder, trial)), encoding="utf-8")
        request = replace(options, file=str(file), results=Path(scratch) / "results")
        return _compared(folder, trial, run_benchmark(request, on_event))


def compare_rows(before: tuple[Path, str], after: tuple[Path, str]) -> RowDiff:
    """Compare the rows of two trials, each a results folder and a trial id, number by number.

    Times are left out. Columns that only one of them has are not compared.
    """
    folds = [_rows(trial, "folds") for trial in (before, after)]
    if unequal := _other_folds(*folds):
        return RowDiff(len(folds[0]), 0, {}, unequal=unequal)
    predictions = [_rows(trial, "predictions") for trial in (before, after)]
    epochs = [_rows(trial, "epochs") for trial in (before, after)]
    n_changed, difference, n_compared = _compared_predictions(*predictions)
    return RowDiff(
        n_folds=len(folds[0]),
        n_predictions=n_compared,
        scores=_score_differences(*folds),
        n_changed=n_changed,
        probability_difference=difference,
        first_epoch=_first_epoch(*epochs),
    )


def what_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say what differs in how two trials were made, as their rows of `trials` have it.

    Versions, device, execution, and what either of them left in its process or its model's file.
    Data and code are compared by their fingerprints, which the caller can put into words.
    """
    old, new = (json.loads(row.get("versions") or "{}") for row in (before, after))
    packages = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    lines = [f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}" for name in packages]
    for column, words in (("device", "device"), ("fold_execution", "folds trained as")):
        then, now = before.get(column), after.get(column)
        if then and now and then != now:
            lines.append(f"{words}: {then} -> {now}")
    for row, whose in ((before, "the row's trial"), (after, "the rerun")):
        lines += [f"{whose} {text}" for text in _left_behind(row.get("findings") or "")]
    return lines


def trial_row(folder: Path, trial_id: str) -> dict[str, Any]:
    """Return a trial's row in `trials`, nulls as None."""
    rows = read_table(folder, "trials", filters=[("trial_id", "==", trial_id)])
    row = rows.iloc[0].to_dict()
    return {str(name): None if value != value else value for name, value in row.items()}


def _as_file(folder: Path, trial: Candidate) -> dict[str, Any]:
    """Return a benchmark file of this one configuration."""
    row = trial.trial
    training = {**trial.config.get("training", {})}
    if row.fold_execution:
        training["fold_execution"] = row.fold_execution
    sections = {key: trial.config[key] for key in _SECTIONS if key in trial.config}
    return {
        "question": f"Does trial {row.trial_id} give the same numbers again?",
        **sections,
        "training": training,
        "repeats": max(1, row.n_repeats),
        "weights": "none",
        **_keys_of_run(folder / RUNS / row.run_id / RESOLVED),
    }


def _keys_of_run(file: Path) -> dict[str, Any]:
    """Return metrics, resources and the like, of the run that wrote the row."""
    try:
        written: Mapping[str, Any] = parse(read_resolved(file), str(file)).value
    except FileNotFoundError:
        return {}
    return {key: written[key] for key in _KEYS_OF_RUN if key in written}


def _compared(folder: Path, trial: Candidate, outcome: RunOutcome) -> Rerun:
    (planned,) = outcome.plan.trials
    trial_id = trial.trial.trial_id
    now = trial_row(outcome.plan.folder, planned.trial_id)
    before = trial_row(folder, trial_id)
    reasons = (*_changed_fingerprints(trial, planned), *what_changed(before, now))
    error = now["error"] if now["status"] == "failed" else None
    if before["status"] == now["status"] == "complete":
        diff = compare_rows((folder, trial_id), (outcome.plan.folder, planned.trial_id))
        return Rerun(trial_id, diff.same, diff, error, reasons)
    same = (before["status"], before["error"]) == (now["status"], now["error"])
    return Rerun(trial_id, same, None, error, reasons)


def _changed_fingerprints(trial: Candidate, planned: PlannedTrial) -> list[str]:
    row, resolved = trial.trial, planned.resolved
    lines = []
    if row.data_fingerprint != planned.data_fingerprint:
        lines.append(f"the raw files of {resolved.dataset.name} changed")
    if row.code_fingerprint != planned.code_fingerprint:
        changed = catalog.changed_code(
            row.code_fingerprint,
            planned.code_fingerprint,
            model=resolved.model,
            dataset=resolved.dataset,
        )
        lines.append(f"{changed} changed")
    return lines


def _left_behind(findings: str) -> list[str]:
    """Say what a trial changed for its process, and what its model's file keeps."""
    codes = [code.partition(":") for code in findings.split(",")]
    words = {
        "changed_process": "changed its process",
        "changed_names": "kept something in its file",
    }
    lines = []
    for kind, what in words.items():
        names = [name for code, _, name in codes if code == kind]
        if names:
            lines.append(f"{what}: {', '.join(names)}")
    return lines


def _rows(trial: tuple[Path, str], table: str) -> "pd.DataFrame":
    folder, trial_id = trial
    return read_table(folder, table, filters=[("trial_id", "==", trial_id)])


def _other_folds(before: "pd.DataFrame", after: "pd.DataFrame") -> tuple[str, ...]:
    a, b = (frame.set_index(_PLACE)["split_hash"].sort_index() for frame in (before, after))
    if not a.index.equals(b.index):
        return (f"{len(a)} folds before, {len(b)} now",)
    changed = [str(place) for place in a.index if a[place] != b[place]]
    return (f"other examples in (repeat, fold) {', '.join(changed)}",) if changed else ()


def _score_differences(before: "pd.DataFrame", after: "pd.DataFrame") -> dict[str, float]:
    a, b = (frame.set_index(_PLACE).sort_index() for frame in (before, after))
    shared = [str(name) for name in a.columns if name in b.columns and name not in _TIMES]
    scored = [name for name in shared if name.split("_")[0] in ("train", "val", "test")]
    numbers = [name for name in [*scored, "best_epoch"] if name != "test_part" and name in shared]
    largest = {name: float((a[name] - b[name]).abs().max()) for name in numbers}
    return {name: value for name, value in largest.items() if value > 0}


def _compared_predictions(before: "pd.DataFrame", after: "pd.DataFrame") -> tuple[int, float, int]:
    """Return predictions of another class, the largest difference, and how many were compared."""
    keys = [*_PLACE, "role", "example_id"]
    both = before.merge(after, on=keys, suffixes=("_before", "_after"))
    if both.empty:
        return 0, 0.0, 0
    a, b = (np.stack(list(both[f"probabilities_{end}"])) for end in ("before", "after"))
    changed = int((both["predicted_before"] != both["predicted_after"]).sum())
    return changed, float(np.abs(a - b).max()), len(both)


def _first_epoch(before: "pd.DataFrame", after: "pd.DataFrame") -> int | None:
    keys = [*_PLACE, "epoch"]
    curves = [frame[frame["stage"] == "training"] for frame in (before, after)]
    both = curves[0].merge(curves[1], on=keys, suffixes=("_before", "_after"))
    names = [name.removesuffix("_before") for name in both.columns if name.endswith("_before")]
    numbers = [name for name in names if name.startswith(("train_", "val_")) or name == "lr"]
    differs = [
        (both[f"{name}_before"] != both[f"{name}_after"])
        & ~(both[f"{name}_before"].isna() & both[f"{name}_after"].isna())
        for name in numbers
    ]
    rows = [both["epoch"][mask] for mask in differs if mask.any()]
    return min((int(epochs.min()) for epochs in rows), default=None)

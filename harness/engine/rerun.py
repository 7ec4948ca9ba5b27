"""One trial trained again from its row, beside the results, and compared with it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config.yaml_io import dump, parse
from harness.engine.options import RunOptions
from harness.engine.row_diff import Sameness, compare_rows, trial_row, what_changed
from harness.engine.runner import RunOutcome, run_benchmark
from harness.errors import BenchError
from harness.events import OnEvent
from harness.plugins import catalog
from harness.results.layout import RESOLVED, RUNS
from harness.results.runs import read_resolved
from harness.results.trial_reference import Candidate, Source, matching

_SECTIONS = ("dataset", "model", "training", "pretraining", "cross_validation", "seed", "objective")
_ASKED = ("metrics", "resources", "predictions")


@dataclass(frozen=True)
class Rerun:
    """What came of it.

    sameness: number by number; None where one of the two failed. error: of the rerun.
    reasons: what was found to differ in its making; empty where nothing recorded does.
    """

    trial_id: str
    same: bool
    sameness: Sameness | None
    error: str | None
    reasons: tuple[str, ...]


def find_trial(source: Source) -> Candidate:
    """The one finished trial that the selector of a results folder names.

    Raises BenchError where there is none or several, or it was pruned or interrupted.
    """
    found = matching(source)
    if len(found) != 1:
        named = ", ".join(one.trial.trial_id for one in found[:5])
        raise BenchError(
            f"{len(found)} trials match {source.selector!r}: {named}; "
            "name one by its id, or by more parameters"
        )
    (one,) = found
    if one.trial.status not in ("complete", "failed"):
        raise BenchError(
            f"trial {one.trial.trial_id} is {one.trial.status}: it has no numbers to repeat; "
            "`bench run` trains it"
        )
    return one


def rerun(
    folder: Path, trial: Candidate, *, data: Path | None, options: RunOptions, on_event: OnEvent
) -> Rerun:
    """Trains the trial again as its row says, with today's code, and compares; writes nothing here.

    data: root of the raw data. options: where it runs. Raises SpecError where today's models or
    datasets no longer take what the row says.
    """
    with tempfile.TemporaryDirectory(prefix="bench-rerun-") as scratch:
        file = Path(scratch) / f"{folder.name}.yaml"
        file.write_text(dump(_as_file(folder, trial)), encoding="utf-8")
        request = RunOptions(
            file=str(file), results=Path(scratch) / "results", data=data,
            address=options.address, jobs=options.jobs,
        )  # fmt: skip
        outcome = run_benchmark(request, on_event)
        return _compared(folder, trial, outcome)


def _as_file(folder: Path, trial: Candidate) -> dict[str, Any]:
    """A benchmark file of this one configuration."""
    asked = _asked(folder, trial)
    training = {**trial.config.get("training", {})}
    if trial.trial.fold_execution:
        training["fold_execution"] = trial.trial.fold_execution
    sections = {key: trial.config[key] for key in _SECTIONS if key in trial.config}
    return {
        "question": f"Does trial {trial.trial.trial_id} give the same numbers again?",
        **sections,
        "training": training,
        "repeats": max(1, trial.trial.n_repeats),
        "weights": "none",
        **asked,
    }


def _asked(folder: Path, trial: Candidate) -> dict[str, Any]:
    """Metrics, resources and the like, of the run that wrote the row."""
    file = folder / RUNS / trial.trial.run_id / RESOLVED
    try:
        written: Mapping[str, Any] = parse(read_resolved(file), str(file)).value
    except FileNotFoundError:
        return {}
    return {key: written[key] for key in _ASKED if key in written}


def _compared(folder: Path, trial: Candidate, outcome: RunOutcome) -> Rerun:
    (planned,) = outcome.plan.trials
    now = trial_row(outcome.plan.folder, planned.trial_id)
    before = trial_row(folder, trial.trial.trial_id)
    reasons = [*_fingerprints(trial, outcome), *what_changed(before, now)]
    error = now["error"] if now["status"] == "failed" else None
    sameness = None
    if before["status"] == now["status"] == "complete":
        places = (folder, trial.trial.trial_id), (outcome.plan.folder, planned.trial_id)
        sameness = compare_rows(*places)
    same = sameness.same if sameness else (before["status"], before["error"]) == (
        now["status"], now["error"])  # fmt: skip
    return Rerun(trial.trial.trial_id, bool(same), sameness, error, tuple(reasons))


def _fingerprints(trial: Candidate, outcome: RunOutcome) -> list[str]:
    (planned,) = outcome.plan.trials
    resolved = planned.resolved
    lines = []
    if trial.trial.data_fingerprint != planned.data_fingerprint:
        lines.append(f"the raw files of {resolved.dataset.name} changed")
    if trial.trial.code_fingerprint != planned.code_fingerprint:
        changed = catalog.changed_code(
            trial.trial.code_fingerprint,
            planned.code_fingerprint,
            model=resolved.model,
            dataset=resolved.dataset,
        )
        lines.append(f"{changed} changed")
    return lines

"""Which trained model is meant, whether its weights are kept, and whether its files still stand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.config.yaml_io import show
from harness.errors import BenchError
from harness.plugins import catalog
from harness.results.trial_reference import Candidate, Source, choose, open_operand

RETRAIN = "weights=all --force"
ATTRIBUTES = ".attributes.pt"


@dataclass(frozen=True)
class Trained:
    """One complete trial whose weights are kept.

    weights: (repeat, fold) -> file. n_considered: of how many it is the best on validation.
    attributes: the files beside them, of models that hold more than a state dict has.
    """

    source: Source
    candidate: Candidate
    n_considered: int
    weights: Mapping[tuple[int, int], Path]
    model: catalog.Entry
    dataset: catalog.Entry
    attributes: Mapping[tuple[int, int], Path] = field(default_factory=dict)

    @property
    def trial_id(self) -> str:
        """Of the tables."""
        return self.candidate.trial.trial_id

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved configuration."""
        return self.candidate.config


def find_trained(benchmark: str, trial: str | None, *, results: Path) -> Trained:
    """The trial that is meant: the best on validation unless `trial` names one.

    trial: a trial id's beginning, or `param=value,...`. Raises BenchError, with the cure, for a
    trial that is not complete, weights that are not kept, and code that has changed since.
    """
    source = open_operand(benchmark, results=results)
    if trial is not None and source.selector is not None:
        raise BenchError(f"{benchmark!r} names a trial already; found {trial!r} beside it")
    source = replace(source, selector=source.selector or trial)
    choice = choose(source)
    candidate = choice.candidate
    weights = _weights(source.folder, candidate.trial.trial_id)
    if not weights:
        raise BenchError(_not_kept(source, candidate))
    config = candidate.config
    model = catalog.find("model", config["model"]["name"])
    dataset = catalog.find("dataset", config["dataset"]["name"])
    _refuse_changed(candidate, model, dataset)
    beside = {key: file.with_suffix(ATTRIBUTES) for key, file in weights.items()}
    attributes = {key: file for key, file in beside.items() if file.is_file()}
    return Trained(source, candidate, choice.n_considered, weights, model, dataset, attributes)


def describe_trial(candidate: Candidate) -> str:
    """Its id and its searched values."""
    values = ", ".join(f"{path}={show(value)}" for path, value in candidate.params.items())
    return f"{candidate.trial.trial_id}" + (f" ({values})" if values else "")


def _weights(folder: Path, trial_id: str) -> dict[tuple[int, int], Path]:
    found = {}
    for file in (folder / "weights" / trial_id).glob("*-*.pt"):
        repeat, _, fold = file.stem.partition("-")
        if repeat.isdecimal() and fold.isdecimal():
            found[int(repeat), int(fold)] = file
    return dict(sorted(found.items()))


def _not_kept(source: Source, candidate: Candidate) -> str:
    """What is kept instead, and the command that keeps them all."""
    kept = [one for one in source.candidates if _weights(source.folder, one.trial.trial_id)]
    command = _command(source.folder, candidate.trial.run_id)
    others = f"; kept are those of {', '.join(map(describe_trial, kept[:5]))}" if kept else ""
    return (
        f"the weights of trial {describe_trial(candidate)} of {source.name} are not kept{others}"
        f"\n  `weights: best`, the default, keeps those of a run's best trial alone"
        f"\n  to train again and keep them all: {command} {RETRAIN}"
    )


def _command(folder: Path, run_id: str) -> str:
    """How the run was called, as far as it is on record."""
    try:
        record = json.loads((folder / "runs" / run_id / "run.json").read_text(encoding="utf-8"))
        return str(record["command"])
    except (OSError, ValueError, KeyError):
        return f"bench run {folder.name}"


def _refuse_changed(candidate: Candidate, model: catalog.Entry, dataset: catalog.Entry) -> None:
    """Weights belong to the code that they were trained with."""
    before = candidate.trial.code_fingerprint.split("-")[:2]
    entries = (model, dataset)
    changed = [
        entry.label
        for entry, old in zip(entries, before, strict=False)
        if old and catalog.file_fingerprint(entry) != old
    ]
    if changed:
        raise BenchError(
            f"{' and '.join(changed)} changed since trial {candidate.trial.trial_id} was trained; "
            "put it back as it was, or run the benchmark again"
        )

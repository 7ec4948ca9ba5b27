"""The trial to export: which one is meant, its weights and code, and its data prepared again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data_prep.examples import DataError
from harness.config.sections import CrossValidation, DatasetSection, Pretraining
from harness.config.yaml_io import show
from harness.data.fingerprint import fingerprint_of
from harness.data.front_end import sample_rate_hz
from harness.data.loading import Loaded, load_dataset
from harness.data.paths import cache_dir
from harness.data.prepare import prepare_loaded
from harness.data.types import TrialData
from harness.errors import BenchError
from harness.plugins import catalog
from harness.results.table_reader import fold_rows
from harness.results.trial_reference import Candidate, Source, choose, open_operand

KEEP_ALL_WEIGHTS = "weights=all --force"  # --force: trials that are done are trained again
ATTRIBUTES_SUFFIX = ".attributes.pt"
MOST_NAMED = 5  # other trials that an error names


@dataclass(frozen=True)
class TrainedTrial:
    """A complete trial whose weights are kept.

    Attributes:
        source: The results folder.
        candidate: The trial and its resolved configuration.
        n_considered: Of how many trials it is the best on validation.
        weights: (repeat, fold) -> file of a state dict.
        model: The model's file.
        dataset: The dataset's file.
        attributes: (repeat, fold) -> file of what the model holds beside its state dict.
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
        """The trial's id in the tables."""
        return self.candidate.trial.trial_id

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved configuration."""
        return self.candidate.config


@dataclass(frozen=True, eq=False)
class RefittedData:
    """The data as the trial was given it, with all that its folds learned from train examples.

    Attributes:
        loaded: The dataset as read.
        data: The folds and their inputs.
        front_end: Settings of torchaudio's log-mel front end; None without one.
    """

    loaded: Loaded
    data: TrialData
    front_end: Mapping[str, Any] | None

    def index(self, repeat: int, fold: int) -> int:
        """Return the position of a fold in `data.folds`."""
        return [(fold.repeat, fold.fold) for fold in self.data.folds].index((repeat, fold))


def find_trained_trial(benchmark: str, trial: str | None, *, results: Path) -> TrainedTrial:
    """Find the trial that is meant: the best on validation unless `trial` names one.

    Args:
        benchmark: A name or a results folder, with a selector of a trial or without.
        trial: The beginning of a trial id, or `param=value,...`.
        results: The folder that holds one folder per benchmark.

    Raises:
        BenchError: With the cure, if the trial is not complete, its weights are not kept, or its
            code has changed since.
    """
    source = open_operand(benchmark, results=results)
    if trial is not None and source.selector is not None:
        raise BenchError(f"{benchmark!r} names a trial already; found {trial!r} beside it")
    source = replace(source, selector=source.selector or trial)
    choice = choose(source)
    candidate = choice.candidate
    weights = _weight_files(source.folder, candidate.trial.trial_id)
    if not weights:
        raise BenchError(_not_kept(source, candidate))
    model = catalog.find("model", candidate.config["model"]["name"])
    dataset = catalog.find("dataset", candidate.config["dataset"]["name"])
    _refuse_changed_code(candidate, model, dataset)
    beside = {key: file.with_suffix(ATTRIBUTES_SUFFIX) for key, file in weights.items()}
    attributes = {key: file for key, file in beside.items() if file.is_file()}
    return TrainedTrial(source, candidate, choice.n_considered, weights, model, dataset, attributes)


def refit(trained: TrainedTrial, *, root: Path) -> RefittedData:
    """Prepare the trial's folds again, with the code that the run used.

    Vocabularies, scales and arrays that were learned from train examples are not kept by a run:
    the same data gives the same ones.

    Args:
        trained: The trial.
        root: The folder of raw data.

    Raises:
        BenchError: If the raw data is missing or has changed, or the folds are cut otherwise.
    """
    section = DatasetSection.model_validate(trained.config["dataset"])
    loaded = load_dataset(
        catalog.load(trained.dataset),
        section=section,
        root=root,
        cache_dir=cache_dir(),
        data_fingerprint=_checked_fingerprint(trained, root),
        code_fingerprint=catalog.file_fingerprint(trained.dataset),
    )
    pretraining = trained.config.get("pretraining")
    data = prepare_loaded(
        loaded,
        cross_validation=CrossValidation.model_validate(trained.config["cross_validation"]),
        seed=trained.config["seed"],
        repeats=max(repeat for repeat, _ in trained.weights),
        cache_dir=cache_dir(),
        pretraining=None if pretraining is None else Pretraining.model_validate(pretraining),
    )
    _refuse_other_folds(trained, data)
    return RefittedData(loaded, data, _front_end_settings(loaded))


def describe_trial(candidate: Candidate) -> str:
    """Return a trial's id and its searched values as text."""
    values = ", ".join(f"{path}={show(value)}" for path, value in candidate.params.items())
    return f"{candidate.trial.trial_id}" + (f" ({values})" if values else "")


def _weight_files(folder: Path, trial_id: str) -> dict[tuple[int, int], Path]:
    """Return (repeat, fold) -> file, in order; names that a run would not give are left out."""
    files = {}
    for file in (folder / "weights" / trial_id).glob("*-*.pt"):
        repeat, _, fold = file.stem.partition("-")
        if repeat.isdecimal() and fold.isdecimal():
            files[int(repeat), int(fold)] = file
    return dict(sorted(files.items()))


def _not_kept(source: Source, candidate: Candidate) -> str:
    """Say which trials' weights are kept instead, and which command keeps them all."""
    kept = [
        other for other in source.candidates if _weight_files(source.folder, other.trial.trial_id)
    ]
    command = _recorded_command(source.folder, candidate.trial.run_id)
    others = f"; kept are those of {', '.join(map(describe_trial, kept[:MOST_NAMED]))}"
    return (
        f"the weights of trial {describe_trial(candidate)} of {source.name} are not kept"
        f"{others if kept else ''}"
        f"\n  `weights: best`, the default, keeps those of a run's best trial alone"
        f"\n  to train again and keep them all: {command} {KEEP_ALL_WEIGHTS}"
    )


def _recorded_command(folder: Path, run_id: str) -> str:
    """Return the command that the run was called with, as far as it is on record."""
    try:
        record = json.loads((folder / "runs" / run_id / "run.json").read_text(encoding="utf-8"))
        return str(record["command"])
    except (OSError, ValueError, KeyError):
        return f"bench run {folder.name}"


def _refuse_changed_code(
    candidate: Candidate, model: catalog.Entry, dataset: catalog.Entry
) -> None:
    """Raise BenchError if a file has changed: weights belong to the code they were trained with."""
    trained_with = candidate.trial.code_fingerprint.split("-")[:2]
    changed = [
        entry.label
        for entry, fingerprint in zip((model, dataset), trained_with, strict=False)
        if fingerprint and catalog.file_fingerprint(entry) != fingerprint
    ]
    if changed:
        raise BenchError(
            f"{' and '.join(changed)} changed since trial {candidate.trial.trial_id} was trained; "
            "put it back as it was, or run the benchmark again"
        )


def _checked_fingerprint(trained: TrainedTrial, root: Path) -> str:
    """Return the fingerprint of the raw files, which has to be that of the trial."""
    name, then = trained.dataset.name, trained.candidate.trial.data_fingerprint
    options = catalog.arguments_of(trained.dataset, trained.config["dataset"])
    try:
        now = fingerprint_of(trained.dataset, options, root=root)
    except (DataError, OSError) as error:
        raise BenchError(
            f"dataset {name}: {error}\n  the export learns vocabulary and scales from it again"
        ) from error
    if now != then:
        raise BenchError(
            f"the raw files of {name} in {root} are not those that trial {trained.trial_id} was "
            f"trained on (fingerprint {now}, then {then}); name theirs with --data"
        )
    return now


def _refuse_other_folds(trained: TrainedTrial, data: TrialData) -> None:
    hashes = {(fold.repeat, fold.fold): fold.split_hash for fold in data.folds}
    for row in fold_rows(trained.source.folder, [trained.trial_id])[trained.trial_id]:
        key = (row["repeat"], row["fold"])
        if key in trained.weights and hashes.get(key) != row["split_hash"]:
            raise BenchError(
                f"fold {row['fold']} of repeat {row['repeat']} is cut otherwise than when trial "
                f"{trained.trial_id} was trained; run the benchmark again"
            )


def _front_end_settings(loaded: Loaded) -> dict[str, Any] | None:
    settings = loaded.section.front_end
    if settings is None:
        return None
    scale = loaded.examples.input_scale
    return {
        "name": settings.name,
        "sample_rate": sample_rate_hz(settings, loaded.description),
        "n_fft": settings.n_fft,
        "hop_length": settings.hop,
        "n_mels": settings.n_mels,
        "f_min": settings.f_min,
        "f_max": settings.f_max,
        "top_db": settings.top_db,
        "input_scale": 1.0 if scale is None else scale,
    }

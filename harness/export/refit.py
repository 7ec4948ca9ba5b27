"""What a trial's folds learned from their train examples, found again from the same data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.examples import DataError
from harness.config.sections import CrossValidation, DatasetSection, Pretraining
from harness.data.fingerprint import fingerprint_of
from harness.data.front_end import sample_rate_hz
from harness.data.loading import Loaded, load_dataset
from harness.data.paths import cache_dir
from harness.data.prepare import prepare_loaded
from harness.data.types import TrialData
from harness.errors import BenchError
from harness.export.trial_selection import Trained
from harness.plugins import catalog
from harness.results.table_reader import fold_rows


@dataclass(frozen=True, eq=False)
class Learned:
    """The data as the trial was given it. front_end: settings of torchaudio's, or None."""

    loaded: Loaded
    data: TrialData
    front_end: Mapping[str, Any] | None

    def index(self, repeat: int, fold: int) -> int:
        """Where a fold stands in `data.folds`."""
        names = [(one.repeat, one.fold) for one in self.data.folds]
        return names.index((repeat, fold))


def learn_again(trained: Trained, *, root: Path) -> Learned:
    """The trial's folds and all that was learned on them, by the code that the run used.

    Raises BenchError where the raw data is missing or another, or the folds are others.
    """
    section = DatasetSection.model_validate(trained.config["dataset"])
    fingerprint = _fingerprint(trained, section, root)
    loaded = load_dataset(
        catalog.load(trained.dataset),
        section=section,
        root=root,
        cache_dir=cache_dir(),
        data_fingerprint=fingerprint,
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
    return Learned(loaded, data, _front_end(loaded))


def _fingerprint(trained: Trained, section: DatasetSection, root: Path) -> str:
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


def _refuse_other_folds(trained: Trained, data: TrialData) -> None:
    now = {(fold.repeat, fold.fold): fold.split_hash for fold in data.folds}
    for row in fold_rows(trained.source.folder, [trained.trial_id])[trained.trial_id]:
        key = (row["repeat"], row["fold"])
        if key in trained.weights and now.get(key) != row["split_hash"]:
            raise BenchError(
                f"fold {row['fold']} of repeat {row['repeat']} is cut otherwise than when trial "
                f"{trained.trial_id} was trained; run the benchmark again"
            )


def _front_end(loaded: Loaded) -> dict[str, Any] | None:
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

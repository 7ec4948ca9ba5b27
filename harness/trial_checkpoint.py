"""A trial that keeps itself as it trains, and one that goes on from there."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from harness.trial_rows import TrialJob

if TYPE_CHECKING:
    from harness.training.checkpoint import Checkpoints, TrainingState
    from harness.training.job import EpochResult, FoldOutcome, TrainingJob
    from harness.training.packed import Packed, Setting


def checkpoint_setting(job: TrialJob) -> "Setting":
    """What a checkpoint of this trial says of itself, and must say to be gone on from."""
    from harness.training.checkpoint import setting_of
    from harness.training.lockstep import FOLD_EXECUTION

    return setting_of(
        job.trial_id,
        repeats=job.repeats,
        execution=FOLD_EXECUTION,
        device=job.device,
        diagnostics=job.diagnostics,
    )


def training_steps(
    job: TrialJob,
    training: "TrainingJob",
    checkpoints: "Checkpoints | None",
    layers: list[dict[str, Any]],
) -> "Generator[EpochResult, None, tuple[FoldOutcome, ...]]":
    """The training's epochs, from where the trial goes on; it is told how to keep itself.

    layers: takes the rows of that table, those of a checkpoint first.
    """
    from harness.training.layers import layer_observer
    from harness.training.lockstep import train_folds

    observe = layer_observer(layers) if job.diagnostics == "layers" else None
    if checkpoints is None:
        return train_folds(training, observe=observe)
    keep, past = _keeper(job, training, checkpoints, layers), checkpoints.past()
    if past is None:
        return train_folds(training, observe=observe, keep=keep)
    layers.extend(past.layers)
    return train_folds(training, observe=observe, past=past.state, keep=keep)


def _keeper(
    job: TrialJob,
    training: "TrainingJob",
    checkpoints: "Checkpoints",
    layers: list[dict[str, Any]],
) -> "Callable[[Callable[[], TrainingState]], None]":
    from harness.training.checkpoint import Past, pack
    from harness.training.packed import About

    setting, epochs = checkpoint_setting(job), training.training.epochs

    def keep(state: "Callable[[], TrainingState]") -> None:
        def packed() -> "Packed":
            now = state()
            about = About(setting, len(now.results), epochs, job.attempt)
            return pack(about, Past(now, tuple(layers)))

        checkpoints.keep(packed)

    return keep

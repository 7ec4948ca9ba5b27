"""A trial that keeps itself as it trains, and one that goes on from there."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from harness.training.trial_rows import TrialJob

if TYPE_CHECKING:
    from harness.training.checkpoint import Checkpoints, Past, TrainingState
    from harness.training.checkpoint_format import CheckpointError, Packed, Setting
    from harness.training.types import EpochResult, FoldOutcome, TrainingJob


def checkpoint_setting(job: TrialJob, execution: str | None = None) -> "Setting":
    """What a checkpoint of this trial says of itself, and must say to be gone on from.

    execution: of its folds; None: whichever it began with, unless the file insists on the loop.
    """
    from harness.training.checkpoint import setting_of
    from harness.training.checkpoint_format import ANY

    asked = job.config["training"].get("fold_execution")

    return setting_of(
        job.trial_id,
        repeats=job.repeats,
        execution=execution or ("loop" if asked == "loop" else ANY),
        device=job.device,
        diagnostics=job.diagnostics,
    )


def training_steps(
    job: TrialJob,
    training: "TrainingJob",
    checkpoints: "Checkpoints | None",
    past: "Past | None",
    layers: list[dict[str, Any]],
    *,
    tell: Callable[[str], None],
) -> "Generator[EpochResult, None, tuple[FoldOutcome, ...]]":
    """The training's epochs, from where the trial goes on; it is told how to keep itself.

    past: what `checkpoints` gave. layers: takes the rows of that table, those of `past` first.
    tell: hears of a past that does not fit the model; the trial then begins at its beginning.
    """
    from harness.training.checkpoint_format import starts_anew
    from harness.training.layer_statistics import layer_observer
    from harness.training.trainer import train_folds

    observe = layer_observer(layers) if job.diagnostics == "layers" else None
    if checkpoints is None:
        return train_folds(training, observe=observe)
    keep = _keeper(job, training, checkpoints, layers)
    if past is None:
        return train_folds(training, observe=observe, keep=keep)
    layers.extend(past.layers)
    going_on = train_folds(training, observe=observe, past=past.state, keep=keep)

    def anew(why: "CheckpointError") -> "Generator[EpochResult, None, tuple[FoldOutcome, ...]]":
        layers.clear()
        tell(starts_anew(job.trial_id, str(why)))
        return train_folds(training, observe=observe, keep=keep)

    return _or_else(going_on, anew)


def _or_else(
    steps: "Generator[EpochResult, None, tuple[FoldOutcome, ...]]",
    anew: "Callable[[CheckpointError], Generator[EpochResult, None, tuple[FoldOutcome, ...]]]",
) -> "Generator[EpochResult, None, tuple[FoldOutcome, ...]]":
    """The steps, or others where they can't begin at the checkpoint."""
    from harness.training.checkpoint_format import CheckpointError

    try:
        return (yield from steps)
    except CheckpointError as error:  # raised before the first step alone
        other = anew(error)
    return (yield from other)


def _keeper(
    job: TrialJob,
    training: "TrainingJob",
    checkpoints: "Checkpoints",
    layers: list[dict[str, Any]],
) -> "Callable[[Callable[[], TrainingState]], None]":
    from harness.training.checkpoint import Past, pack
    from harness.training.checkpoint_format import About

    setting, epochs = checkpoint_setting(job, training.execution), training.training.epochs

    def keep(state: "Callable[[], TrainingState]") -> None:
        def packed() -> "Packed":
            now = state()
            about = About(setting, len(now.results), epochs, job.attempt, now.unkept)
            return pack(about, Past(now, tuple(layers)))

        checkpoints.keep(packed)

    return keep

"""All folds and repeats of a configuration train together, epoch by epoch."""

from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from statistics import fmean

from harness.metrics import METRICS, better
from harness.results.tables import EpochRow
from harness.training.backends.batched.loop_comparison import compare_epoch
from harness.training.backends.fold_run import (
    FoldRun,
    outcomes,
    restore,
    steps_per_epoch,
)
from harness.training.backends.selection import BACKENDS
from harness.training.checkpoint import CheckpointError
from harness.training.training_state import TrainingState
from harness.training.types import EpochResult, TrainedFolds, TrainingJob
from harness.user_code_errors import error_text, is_out_of_memory

Keep = Callable[[Callable[[], TrainingState]], None]


def train_folds(
    job: TrainingJob,
    *,
    observe: Callable[[int, Sequence[FoldRun]], None] | None = None,
    past: TrainingState | None = None,
    keep: Keep | None = None,
) -> Generator[EpochResult | TrainedFolds, None, None]:
    """Yield each epoch as it ends, then what the chosen weights of every fold say.

    Every fold takes its examples of an epoch from a permutation of its own; how many, see
    `fold_run.n_examples`. With `early_stopping` a repeat leaves when its
    fold mean has not improved for that many epochs; the others go on.
    observe: sees the folds before the first epoch (as epoch 0) and after each, and changes nothing.
    past: where an earlier process stood; its epochs are yielded again, untrained, then it goes on.
    keep: is told after each new epoch how to get the state, which holds until the next one begins.
    Raises Diverged for a loss that is not finite, NotAsTheLoop where the job asks for a comparison
    and its folds together train otherwise than alone, CheckpointError, before the first epoch, for
    a past of another model, and whatever the model raises.
    """
    backend = BACKENDS[job.execution]
    runs, results = _begin(job, past)
    del past  # it is as large as all folds
    mode = METRICS[job.objective].mode
    history: dict[int, list[float]] = defaultdict(list)
    latest: dict[tuple[int, int], float] = {}
    training = runs
    if observe is not None and not results:
        observe(0, runs)
    for epoch in range(1, job.training.epochs + 1):
        if epoch > len(results):
            if _is_compared(training[0], epoch):
                compare_epoch(training, epoch)
            rows = backend.train_epoch(training, epoch)
            if observe is not None:
                observe(epoch, training)
            mean = fmean((latest | _objectives(rows)).values())
            results.append(EpochResult(epoch, tuple(rows), objective_mean=mean))
            if keep is not None:
                keep(lambda: TrainingState(tuple(results), backend.state(runs)))
        result = results[epoch - 1]
        latest |= _objectives(result.folds)
        yield result
        for repeat, fold_mean in _fold_means(result.folds).items():
            history[repeat].append(fold_mean)
        stopped = {
            repeat
            for repeat, means in history.items()
            if out_of_patience(means, patience=job.training.early_stopping, mode=mode)
        }
        training = [run for run in training if run.fold.repeat not in stopped]
        if not training:
            break
    yield TrainedFolds(tuple(outcomes(runs)))


def _begin(job: TrainingJob, past: TrainingState | None) -> tuple[list[FoldRun], list[EpochResult]]:
    """Every fold at its start, or where it stood; the epochs that it has behind it."""
    backend = BACKENDS[job.execution]
    runs = backend.start(job)
    if past is None:
        return runs, []
    try:
        restore(runs, past.folds)
    except CheckpointError:
        raise
    except (RuntimeError, ValueError, KeyError) as error:
        if is_out_of_memory(error):
            raise
        raise CheckpointError(f"it does not fit the model: {error_text(error)}") from error
    return runs, list(past.results)


def _is_compared(run: FoldRun, epoch: int) -> bool:
    """Whether nobody has compared so late an epoch of such folds with the loop."""
    first = run.job.compare_from
    return first is not None and (epoch - 1) * steps_per_epoch(run) >= first


def _objectives(rows: Sequence[EpochRow]) -> dict[tuple[int, int], float]:
    return {(row.repeat, row.fold): row.val_objective for row in rows}


def _fold_means(rows: Sequence[EpochRow]) -> dict[int, float]:
    values: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        values[row.repeat].append(row.val_objective)
    return {repeat: fmean(objectives) for repeat, objectives in values.items()}


def best_index(values: Sequence[float], *, mode: str) -> int:
    """Return index of the best value; ties go to the earlier one, nan is worse than any number.

    mode: `max` or `min`, the metric's direction.
    """
    best = 0
    for index, value in enumerate(values):
        if better(mode, value, values[best]):
            best = index
    return best


def out_of_patience(fold_means: Sequence[float], *, patience: int | None, mode: str) -> bool:
    """Return whether the last `patience` epochs (one fold mean each) brought no improvement."""
    if patience is None:
        return False
    return len(fold_means) - 1 - best_index(fold_means, mode=mode) >= patience

"""How a job's folds are trained: one after the other, or as one batched model.

Both give the same numbers but for rounding (on a GPU also but for the masks of dropout),
so the choice is one of speed. It is made once for a model's shape and remembered: trials of one
shape don't differ in it.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from time import perf_counter, thread_time

import torch
from torch import Tensor, nn

from harness.results.provenance import device_name
from harness.training.backends import loop
from harness.training.backends.batched import vectorized
from harness.training.backends.batched.model_ensemble import stack_of
from harness.training.backends.batched.support import obstacle
from harness.training.backends.fold_run import (
    FoldBackend,
    FoldRun,
    build_model,
    epoch_batches,
    n_examples,
    start_folds,
    uneven_folds,
)
from harness.training.types import TrainingJob

VERSION = 3  # raised when what was measured before says nothing any more

BACKENDS: dict[str, FoldBackend] = {backend.NAME: backend for backend in (loop, vectorized)}

# Loop's time over the batched model's, from which the latter is taken: where both are about as
# fast, one measurement would say this and the next that, and with it the last digits of a row.
WORTH_IT = 1.2
FEWEST_STEPS = 200  # a shorter trial would pay more for the measurement than it could gain
# Of each way the fastest step counts, so a few may be disturbed by what else the machine does; a
# model of quickstart has all of them in 0.4 s.
ROUNDS = 7
MEASURED_S = 1.0  # no further round after so long

# Each number of a parameter becomes what follows from that number alone, so that folds don't meet.
ELEMENTWISE = ("adam", "adamw", "sgd")

_PREFIX = "they can't be one model: "
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class BackendChoice:
    """execution: `loop` or `vectorized`; reason: in words.

    ratio: seconds of a step of all folds in the loop, over those of the batched model; None where
    nothing was measured. compared: up to which step a trial of the shape has compared itself with
    the loop. key: what is known to others under it; empty where they didn't choose.
    """

    execution: str
    reason: str
    ratio: float | None = None
    compared: int = 0
    key: str = field(default="", compare=False)

    @property
    def obstacle(self) -> bool:
        """Whether the models can't be one, whatever was asked for."""
        return self.reason.startswith(_PREFIX)


def confirmed(choice: BackendChoice, job: TrainingJob, *, epochs: int) -> BackendChoice:
    """Return the choice after a trial trained for some epochs, each compared if it was to be."""
    if job.compare_from is None:
        return choice
    steps = n_steps(job) // job.training.epochs * epochs
    return replace(choice, compared=max(choice.compared, steps))


Find = Callable[[], BackendChoice]
Agree = Callable[[str, Find], BackendChoice]  # what is known under a key, else what is found, kept


@dataclass(frozen=True, eq=False)
class Agreement:
    """What everybody knows of a shape. ask: for a choice; revise: puts another in its place."""

    ask: Agree
    revise: Callable[[str, BackendChoice], None]


def refused(why: str) -> BackendChoice:
    """Return the loop, because the folds' models can't be one."""
    return BackendChoice("loop", _PREFIX + why)


def choose(
    job: TrainingJob,
    *,
    recorded: str | None = None,
    agree: Agree | None = None,
    code: str = "",
) -> BackendChoice:
    """Choose how to train the job's folds, as `training.fold_execution` asks.

    recorded: how the trial was trained before, which `auto` keeps to. agree: makes everybody who
    asks under a key get the first one's choice. code: changes with the model's source.
    """
    asked = job.training.fold_execution
    if asked == "loop":
        return BackendChoice("loop", "asked for")
    if len(job.folds) < 2:
        return BackendChoice("loop", "one fold")
    if job.training.optimizer not in ELEMENTWISE:
        return refused(f"{job.training.optimizer} may join the numbers of a parameter")
    uneven = uneven_folds(job)
    if asked == "vectorized":
        return refused(uneven) if uneven else _agreed(job, agree, code, find_possible, "asked-")
    if recorded == loop.NAME or (recorded == vectorized.NAME and uneven is None):
        return BackendChoice(recorded, "as before")
    if n_steps(job) < FEWEST_STEPS:
        return BackendChoice("loop", "too short to measure")
    if uneven is not None:
        return refused(uneven)
    if job.training.compile:
        return BackendChoice("loop", "compiling to measure would take longer than it could gain")
    return _agreed(job, agree, code, find)


def _agreed(
    job: TrainingJob,
    agree: Agree | None,
    code: str,
    find: Callable[[TrainingJob], BackendChoice],
    prefix: str = "",
) -> BackendChoice:
    """What is known of the shape; found where nothing is, unless that can be spared."""
    model = build_model(job, job.folds[0])
    on_cpu = job.device.type == "cpu"
    convolves = any(isinstance(one, _CONVOLUTIONS) for one in model.modules())
    if job.training.fold_execution == "auto" and on_cpu and convolves:
        return BackendChoice("loop", "convolutions on a CPU are slower stacked")
    if agree is None:
        return find(job)
    key = prefix + shape_key(job, model, code)
    return replace(agree(key, lambda: find(job)), key=key)


def n_steps(job: TrainingJob) -> int:
    """Return how many steps the fold with the fewest is trained, where all epochs are."""
    fewest = min(n_examples(job, index) for index in job.folds)
    return job.training.epochs * ceil(fewest / job.training.batch_size)


def shape_key(job: TrainingJob, model: nn.Module, code: str = "") -> str:
    """Return what a choice holds for: the model's shape and what a step's time depends on."""
    entries = [*model.named_parameters(), *model.named_buffers()]
    shapes = [(name, tuple(one.shape)) for name, one in entries]
    facts = (
        code,
        type(model).__module__,
        str(model),
        shapes,
        job.data.input_shape,
        len(job.folds),
        job.training.batch_size,
        job.training.precision,
        job.training.fast_operators,
        device_name(str(job.device)),
        torch.get_num_threads(),
        torch.__version__,
        VERSION,
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def find_possible(job: TrainingJob) -> BackendChoice:
    """Choose one model, where that trains as the loop does."""
    found = obstacle(job)
    return BackendChoice("vectorized", "asked for") if found is None else refused(found)


def find(job: TrainingJob) -> BackendChoice:
    """Choose the execution that is faster, tried and measured."""
    found = obstacle(job)
    if found is not None:
        return refused(found)
    ratio = measure(start_folds(job))
    execution = "vectorized" if ratio >= WORTH_IT else "loop"
    return BackendChoice(execution, "measured", round(ratio, 3))


def measure(runs: list[FoldRun]) -> float:
    """Return the seconds of a step of all folds in the loop, over those of the batched model.

    Steps alternate after one of each that counts for nothing; of each the fastest is taken.
    """
    batches = [next(iter(epoch_batches(run, 1))) for run in runs]
    stack = stack_of(runs)
    ways: Sequence[Callable[[], None]] = (
        lambda: _loop_step(runs, batches),
        lambda: vectorized.trial_step(stack, batches),
    )
    for way in ways:
        way()
    device, best, begun = runs[0].job.device, [float("inf")] * 2, perf_counter()
    for _ in range(ROUNDS):
        best = [min(seconds, _timed(way, device)) for seconds, way in zip(best, ways, strict=True)]
        if perf_counter() - begun > MEASURED_S:
            break
    return best[0] / best[1]


def _loop_step(runs: list[FoldRun], batches: list[tuple[Tensor, Tensor]]) -> None:
    for run, (inputs, targets) in zip(runs, batches, strict=True):
        loop.step(run, inputs, targets, lr=run.job.training.lr)


def _timed(way: Callable[[], None], device: torch.device) -> float:
    """On one thread its own time counts, whatever else the machine does meanwhile."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    clock = thread_time if device.type == "cpu" and torch.get_num_threads() == 1 else perf_counter
    started = clock()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started

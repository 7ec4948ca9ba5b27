"""The weights that trials start from: files read, pretraining found again or done through Ray."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

import ray
import torch

from harness.config.checks import weights_file
from harness.config.sections import Pretraining
from harness.data.paths import available_cores
from harness.data.types import Array, TrialData
from harness.duration_text import duration
from harness.engine.plan import Plan, PlannedTrial
from harness.engine.resolve import FILE_HASH, PRETRAINING_FILE_HASH
from harness.events import Note, OnEvent, StepStarted
from harness.plugins import catalog
from harness.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Header,
    Setting,
    setting_of,
    starts_anew,
)
from harness.training.model_file import ModelFile
from harness.training.process_state import process_state, restore_process
from harness.training.rotation_pretraining import Pretrained, PretrainingJob, pretrain
from harness.training.training_state import (
    PretrainingState,
    pack_pretraining,
    unpack_pretraining,
)
from harness.training.trial_rows import Initial
from harness.training.weights_io import (
    read_pretrained,
    read_pretraining_checkpoint,
    read_state,
    write_pretrained,
    write_pretraining_checkpoint,
)
from harness.training.worker_setup import prepare_process
from harness.user_code_errors import as_exceptions, named, next_step

PROGRESS_EVERY_S = 2.0  # an epoch of a small model takes milliseconds

# How many epochs a worker may be ahead of the driver, which writes a checkpoint after each.
EPOCHS_AHEAD = 2


@dataclass(frozen=True)
class StartingWeights:
    """Where the trials of a sweep start, by their `start_key`; random starts have none.

    Attributes:
        initial: What rows say of it.
        weights: Entries of state dicts, as plain arrays; missing where `initial` has an error.
    """

    initial: Mapping[str, Initial] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)


@dataclass(frozen=True)
class PretrainingTask:
    """One pretraining as a worker does it.

    Attributes:
        pretraining_id: See `harness.engine.identity`.
        section: Of the file.
        model: The model's file.
        model_arguments: Of its `build`, as the file gives them.
        seed: Of the file.
        threads: Of the worker's arithmetic.
        device: `cpu` or `cuda`.
        weights: Entries of a state dict to begin with; None begins with random ones.
        fast_operators: Train with bench's own operators.
    """

    pretraining_id: str
    section: Pretraining
    model: catalog.Entry
    model_arguments: Mapping[str, Any]
    seed: int
    threads: int
    device: str
    weights: Mapping[str, Array] | None = None
    fast_operators: bool = False

    @property
    def setting(self) -> Setting:
        """What a checkpoint of it holds, and must hold to be resumed."""
        return setting_of(self.pretraining_id, device=self.device)


@dataclass(frozen=True)
class PretrainingEpoch:
    """A pretraining after an epoch: where it can be resumed, and its accuracy on train."""

    checkpoint: Checkpoint
    train_accuracy: float


@dataclass(frozen=True)
class Ended:
    """A pretraining at its end; scores of its task on examples held out and on test."""

    checkpoint: Checkpoint
    val_accuracy: float | None
    test_accuracy: float | None


@dataclass(frozen=True)
class Failed:
    """A pretraining that raised."""

    error: str


Step = PretrainingEpoch | Ended | Failed


class PretrainSteps(Protocol):
    """Where a pretraining runs: `in_worker` or `in_this_process`."""

    def __call__(
        self, task: PretrainingTask, data: TrialData, checkpoint: Checkpoint | None, *, gpu: float
    ) -> Iterator[Step]:
        """Yield what `pretraining_steps` yields.

        Args:
            task: The pretraining.
            data: Of the trials that start from its weights.
            checkpoint: From which an interrupted one is resumed; None begins from the start.
            gpu: GPUs, or the share of one, that it is given.
        """
        ...


def find_starting_weights(
    plan: Plan,
    data: Mapping[str, TrialData],
    *,
    gpus: float,
    pretrain_steps: PretrainSteps,
    on_event: OnEvent,
) -> StartingWeights:
    """Find or make the weights that the plan's missing trials start from.

    Pretraining that is on disk is taken from there, one that was interrupted is resumed; one that
    fails becomes its trials' error.

    Args:
        plan: The plan.
        data: By data key.
        gpus: GPUs that there are.
        pretrain_steps: Pretrains in a worker of the Ray session that is there, or in this process.
        on_event: Receives how far pretraining is.
    """
    initial: dict[str, Initial] = {}
    weights: dict[str, Mapping[str, Array]] = {}
    first = {key: trial for trial in plan.ahead if (key := trial.start_key) is not None}
    for key, trial in first.items():
        config = trial.resolved.config
        if FILE_HASH in config:
            path = config["training"]["initial_weights"]
            initial[key] = Initial(_file_in_words(path, config[FILE_HASH]))
            weights[key] = _arrays(path)
            continue
        try:
            initial[key], weights[key] = _pretrained(
                plan,
                trial,
                data[trial.data_key],
                gpus=gpus,
                pretrain_steps=pretrain_steps,
                on_event=on_event,
            )
        except _PretrainingFailed as failure:
            initial[key] = failure.initial
    return StartingWeights(initial, weights)


class _PretrainingFailed(Exception):
    """There are no weights; `initial` says why."""

    def __init__(self, initial: Initial) -> None:
        super().__init__(initial.error)
        self.initial = initial


def _pretrained(
    plan: Plan,
    trial: PlannedTrial,
    data: TrialData,
    *,
    gpus: float,
    pretrain_steps: PretrainSteps,
    on_event: OnEvent,
) -> tuple[Initial, Mapping[str, Array]]:
    """Find the weights of a trial's pretraining, or pretrain.

    Raises:
        _PretrainingFailed: The pretraining raised, or its worker's process died.
    """
    name, config = trial.pretraining_id, trial.resolved.config
    assert name is not None
    source = _source(config, name)
    pretrained = read_pretrained(plan.folder, name)
    if pretrained is None:
        task = _task(plan, trial, name, gpu=gpus > 0)
        made = _pretrain(plan, task, data, pretrain_steps=pretrain_steps, on_event=on_event)
        if isinstance(made, Failed):
            text = f"{source} failed: {made.error}"
            on_event(Note(text))
            raise _PretrainingFailed(Initial(source, name, error=text))
        pretrained = made
        sections = {key: config[key] for key in ("dataset", "model", "pretraining")}
        write_pretrained(plan.folder, name, made, {"pretraining_id": name, **sections})
    scores = pretrained.val_accuracy, pretrained.test_accuracy
    on_event(Note(f"{source}: {_scores_in_words(*scores)}"))
    arrays = {key: entry.numpy() for key, entry in pretrained.weights.items()}
    return Initial(source, name, *scores, pretrained.rows), arrays


def _arrays(path: str) -> dict[str, Array]:
    return {name: entry.numpy() for name, entry in read_state(weights_file(path)).items()}


def _file_in_words(path: str, content: str) -> str:
    return f"{weights_file(path).name} (sha256 {content})"


def _source(config: Mapping[str, Any], pretraining_id: str) -> str:
    path = config["pretraining"].get("initial_weights")
    if path is None:
        return f"pretraining {pretraining_id}"
    file = _file_in_words(path, config[PRETRAINING_FILE_HASH])
    return f"pretraining {pretraining_id}, from {file}"


def _scores_in_words(val_accuracy: float | None, test_accuracy: float | None) -> str:
    scores = {"held out": val_accuracy, "test": test_accuracy}
    words = [f"{score:.4f} {name}" for name, score in scores.items() if score is not None]
    return f"rotation accuracy {', '.join(words)}" if words else "no example to measure it on"


def _task(plan: Plan, trial: PlannedTrial, pretraining_id: str, *, gpu: bool) -> PretrainingTask:
    spec, resolved = plan.spec, trial.resolved
    assert spec.pretraining is not None
    start = spec.pretraining.initial_weights
    return PretrainingTask(
        pretraining_id=pretraining_id,
        section=spec.pretraining,
        model=resolved.model,
        model_arguments={k: v for k, v in resolved.config["model"].items() if k != "name"},
        seed=spec.seed,
        threads=spec.resources.cpu,
        device="cuda" if gpu and spec.resources.gpu else "cpu",
        weights=None if start is None else _arrays(start),
        fast_operators=resolved.config["training"].get("fast_operators", False),
    )


def _pretrain(
    plan: Plan,
    task: PretrainingTask,
    data: TrialData,
    *,
    pretrain_steps: PretrainSteps,
    on_event: OnEvent,
) -> Pretrained | Failed:
    """Pretrain, resuming from a checkpoint; another one is written after each epoch."""
    name = task.pretraining_id
    try:
        checkpoint = read_pretraining_checkpoint(plan.folder, name, task.setting)
    except CheckpointError as error:
        checkpoint = None
        on_event(Note(starts_anew(f"pretraining {name}", str(error))))
    show = _progress(task.section.epochs, on_event)
    show(0 if checkpoint is None else checkpoint.header.epoch, None)
    gpu = plan.spec.resources.gpu if task.device == "cuda" else 0.0
    try:
        for step in pretrain_steps(task, data, checkpoint, gpu=gpu):
            if isinstance(step, Failed):
                return step
            if isinstance(step, Ended):
                last = unpack_pretraining(step.checkpoint)
                return Pretrained(last.model, last.rows, step.val_accuracy, step.test_accuracy)
            write_pretraining_checkpoint(plan.folder, name, step.checkpoint)
            show(step.checkpoint.header.epoch, step.train_accuracy)
    except ray.exceptions.RayError:
        return Failed("the worker's process died")
    return Failed("it ended without weights")


def _progress(epochs: int, on_event: OnEvent) -> Callable[[int, float | None], None]:
    """Return what shows how far pretraining is, every `PROGRESS_EVERY_S` at most."""
    ended: list[tuple[int, float]] = []
    shown_s = float("-inf")

    def show(epoch: int, accuracy: float | None) -> None:
        nonlocal shown_s
        now = monotonic()
        ended.append((epoch, now))
        if now - shown_s < PROGRESS_EVERY_S and epoch < epochs:
            return
        shown_s = now
        text = f"pretraining: epoch {epoch} of {epochs}"
        if accuracy is not None:
            text += f", train accuracy {accuracy:.4f}"
        if len(ended) > 2 and epoch < epochs:  # the first epoch, which warms up, is left out
            (first, since), left = ended[1], epochs - epoch
            text += f", {duration((now - since) / max(epoch - first, 1) * left)} left"
        on_event(StepStarted(text))

    return show


def in_worker(
    task: PretrainingTask, data: TrialData, checkpoint: Checkpoint | None, *, gpu: float
) -> Iterator[Step]:
    """Yield `pretraining_steps` of a Ray worker, which is no more than two epochs ahead."""
    remote = ray.remote(pretraining_steps).options(
        num_cpus=min(task.threads, available_cores()),
        num_gpus=gpu,
        num_returns="streaming",
        max_retries=0,
        max_calls=1,  # whatever the model's code left in the process serves nobody else
        _generator_backpressure_num_objects=EPOCHS_AHEAD,
    )
    for reference in remote.remote(task, data, checkpoint):
        yield ray.get(reference)


def in_this_process(
    task: PretrainingTask, data: TrialData, checkpoint: Checkpoint | None, *, gpu: float
) -> Iterator[Step]:
    """Yield `pretraining_steps` here, without Ray: Ctrl-C and leaving the debugger end it."""
    return pretraining_steps(task, data, checkpoint, interruptible=True)


def pretraining_steps(
    task: PretrainingTask,
    data: TrialData,
    checkpoint: Checkpoint | None,
    *,
    interruptible: bool = False,
) -> Generator[Step, None, None]:
    """Pretrain, and yield each epoch and the end, or what the model raised.

    Args:
        task: The pretraining.
        data: Of the trials that start from its weights.
        checkpoint: From which it is resumed; None begins from the start.
        interruptible: Whether a KeyboardInterrupt is the user's and passes.
    """
    prepare_process(threads=task.threads, device=task.device, fast_operators=task.fast_operators)
    before, given = process_state(), task.weights
    try:
        with as_exceptions(interruptible=interruptible):
            job = PretrainingJob(
                section=task.section,
                data=data,
                build=ModelFile(task.model).build,
                model_arguments=task.model_arguments,
                seed=task.seed,
                device=torch.device(task.device),
                weights=None if given is None else {k: torch.tensor(v) for k, v in given.items()},
            )
            past = None if checkpoint is None else unpack_pretraining(checkpoint)
            epochs = pretrain(job, past)
        with closing(epochs):
            while state := next_step(epochs, interruptible=interruptible):
                header = Header(task.setting, len(state.rows), task.section.epochs)
                if isinstance(state, Pretrained):
                    last = PretrainingState(state.rows, state.weights, {})
                    packed = pack_pretraining(header, last)
                    yield Ended(packed, state.val_accuracy, state.test_accuracy)
                else:
                    packed = pack_pretraining(header, state)
                    yield PretrainingEpoch(packed, state.rows[-1]["train_accuracy"])
    except Exception as error:
        yield Failed(named(error))
    finally:
        restore_process(before)

"""The weights that trials start from: files read, pretraining found again or done through Ray."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

import ray

from harness.config.checks import weights_file
from harness.config.sections import Pretraining
from harness.data.paths import available_cores
from harness.data.types import Array, TrialData
from harness.durations import duration
from harness.engine.plan import Plan, PlannedTrial
from harness.engine.resolve import FILE_HASH, PRETRAINING_FILE_HASH
from harness.events import Note, OnEvent, StepStarted
from harness.failures import as_exceptions, named, next_step
from harness.plugins import catalog
from harness.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Header,
    Setting,
    setting_of,
    starts_anew,
)
from harness.training.trial_rows import Initial

SAY_EVERY_S = 2.0

Step = tuple[str, Any]


@dataclass(frozen=True)
class Starts:
    """Where the trials of a sweep start. Key: their `start_key`; random starts have none.

    weights: entries of state dicts, as plain arrays; missing where `initial` has an error.
    """

    initial: Mapping[str, Initial] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)


@dataclass(frozen=True)
class PretrainingTask:
    """One pretraining as a Ray worker does it. weights: entries of a state dict to begin with."""

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
        """What a checkpoint of it says, and must say to be gone on from."""
        return setting_of(self.pretraining_id, device=self.device)


class PretrainSteps(Protocol):
    """Where a pretraining runs: `in_worker` or `in_this_process`."""

    def __call__(
        self, task: PretrainingTask, data: TrialData, checkpoint: Checkpoint | None, *, gpu: float
    ) -> Iterator[Step]:
        """Yield what `pretraining_steps` yields.

        Args:
            task: The pretraining.
            data: Of the trials that start from its weights.
            checkpoint: Where an interrupted one goes on; None begins anew.
            gpu: GPUs, or the share of one, that it is given.
        """
        ...


def find_starts(
    plan: Plan,
    data: Mapping[str, TrialData],
    *,
    gpus: float,
    pretrain_steps: PretrainSteps,
    on_event: OnEvent,
) -> Starts:
    """Find or make the weights that the plan's missing trials start from.

    Pretraining that is on disk is taken from there, one that was interrupted goes on; one that
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
        if FILE_HASH in trial.resolved.config:
            initial[key], weights[key] = _from_file(trial)
            continue
        given = data[trial.data_key]
        known, found = _pretrained(
            plan, trial, given, gpus=gpus, pretrain_steps=pretrain_steps, on_event=on_event
        )
        initial[key] = known
        if found is not None:
            weights[key] = found
    return Starts(initial, weights)


def _from_file(trial: PlannedTrial) -> tuple[Initial, Mapping[str, Array]]:
    config = trial.resolved.config
    path = config["training"]["initial_weights"]
    return Initial(_file_in_words(path, config[FILE_HASH])), _arrays(path)


def _arrays(path: str) -> dict[str, Array]:
    from harness.training.weights_io import read_state

    return {name: entry.numpy() for name, entry in read_state(weights_file(path)).items()}


def _file_in_words(path: str, content: str) -> str:
    return f"{weights_file(path).name} (sha256 {content})"


def _pretrained(
    plan: Plan,
    trial: PlannedTrial,
    data: TrialData,
    *,
    gpus: float,
    pretrain_steps: PretrainSteps,
    on_event: OnEvent,
) -> tuple[Initial, Mapping[str, Array] | None]:
    from harness.training.weights_io import read_pretrained, write_pretrained

    name = trial.pretraining_id
    assert name is not None
    source = _source(trial, name)
    found = read_pretrained(plan.folder, name)
    if found is None:
        task = _task(plan, trial, name, gpu=gpus > 0)
        try:
            found = _made(plan, task, data, pretrain_steps=pretrain_steps, on_event=on_event)
        except (_Failed, ray.exceptions.RayError) as error:
            why = str(error) if isinstance(error, _Failed) else "the worker's process died"
            on_event(Note(f"{source} failed: {why}"))
            return Initial(source, name, error=f"{source} failed: {why}"), None
        config = {key: trial.resolved.config[key] for key in ("dataset", "model", "pretraining")}
        write_pretrained(plan.folder, name, found, {"pretraining_id": name, **config})
    on_event(Note(f"{source}: {_in_words(found.val_accuracy, found.test_accuracy)}"))
    initial = Initial(source, name, found.val_accuracy, found.test_accuracy, found.rows)
    return initial, {key: entry.numpy() for key, entry in found.weights.items()}


def _source(trial: PlannedTrial, name: str) -> str:
    config = trial.resolved.config
    path = config["pretraining"].get("initial_weights")
    if path is None:
        return f"pretraining {name}"
    return f"pretraining {name}, from {_file_in_words(path, config[PRETRAINING_FILE_HASH])}"


def _task(plan: Plan, trial: PlannedTrial, name: str, *, gpu: bool) -> PretrainingTask:
    one = trial.resolved
    assert plan.spec.pretraining is not None
    start = plan.spec.pretraining.initial_weights
    return PretrainingTask(
        pretraining_id=name,
        section=plan.spec.pretraining,
        model=one.model,
        model_arguments={k: v for k, v in one.config["model"].items() if k != "name"},
        seed=plan.spec.seed,
        threads=plan.spec.resources.cpu,
        device="cuda" if gpu and plan.spec.resources.gpu else "cpu",
        weights=None if start is None else _arrays(start),
        fast_operators=one.config["training"].get("fast_operators", False),
    )


class _Failed(Exception):
    """The pretraining raised; the text says what."""


def _made(
    plan: Plan,
    task: PretrainingTask,
    data: TrialData,
    *,
    pretrain_steps: PretrainSteps,
    on_event: OnEvent,
) -> Any:
    """Pretrain; a checkpoint is written after each epoch."""
    from harness.training.rotation_pretraining import Pretrained
    from harness.training.training_state import unpack_pretraining
    from harness.training.weights_io import (
        read_pretraining_checkpoint,
        write_pretraining_checkpoint,
    )

    name = task.pretraining_id
    try:
        checkpoint = read_pretraining_checkpoint(plan.folder, name, task.setting)
    except CheckpointError as error:
        checkpoint = None
        on_event(Note(starts_anew(f"pretraining {name}", str(error))))
    say = _teller(task.section.epochs, on_event)
    say(0 if checkpoint is None else checkpoint.header.epoch, None)
    gpu = plan.spec.resources.gpu if task.device == "cuda" else 0.0
    for kind, content in pretrain_steps(task, data, checkpoint, gpu=gpu):
        if kind == "failed":
            raise _Failed(content)
        if kind == "done":
            last = unpack_pretraining(content["checkpoint"])
            scores = content["val_accuracy"], content["test_accuracy"]
            return Pretrained(last.model, last.rows, *scores)
        write_pretraining_checkpoint(plan.folder, name, content["checkpoint"])
        say(content["checkpoint"].header.epoch, content["train_accuracy"])
    raise _Failed("it ended without weights")


def in_worker(
    task: PretrainingTask, data: TrialData, checkpoint: Checkpoint | None, *, gpu: float
) -> Iterator[Step]:
    """`pretraining_steps` in a Ray worker, which is no more than two epochs ahead."""
    remote = ray.remote(pretraining_steps).options(
        num_cpus=min(task.threads, available_cores()),
        num_gpus=gpu,
        num_returns="streaming",
        max_retries=0,
        max_calls=1,  # whatever the model's code left in the process serves nobody else
        _generator_backpressure_num_objects=2,
    )
    for reference in remote.remote(task, data, checkpoint):
        yield ray.get(reference)


def in_this_process(
    task: PretrainingTask, data: TrialData, checkpoint: Checkpoint | None, *, gpu: float
) -> Iterator[Step]:
    """`pretraining_steps` here, without Ray: Ctrl-C and leaving the debugger end it."""
    return pretraining_steps(task, data, checkpoint, interruptible=True)


def pretraining_steps(
    task: PretrainingTask,
    data: TrialData,
    checkpoint: Checkpoint | None,
    *,
    interruptible: bool = False,
) -> Generator[Step, None, None]:
    """Yield (`epoch`, ...) after each epoch, then (`done`, ...), or (`failed`, text)."""
    import torch

    from harness.training.model_file import ModelFile
    from harness.training.process_state import process_state, restore_process
    from harness.training.rotation_pretraining import Pretrained, PretrainingJob, pretrain
    from harness.training.training_state import (
        PretrainingState,
        pack_pretraining,
        unpack_pretraining,
    )
    from harness.training.worker_setup import prepare_process

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
            steps = pretrain(job, past)
        with closing(steps):
            while step := next_step(steps, interruptible=interruptible):
                header = Header(task.setting, len(step.rows), task.section.epochs)
                if isinstance(step, Pretrained):
                    last = PretrainingState(step.rows, step.weights, {})
                    scores = {
                        "val_accuracy": step.val_accuracy,
                        "test_accuracy": step.test_accuracy,
                    }
                    yield "done", {"checkpoint": pack_pretraining(header, last), **scores}
                else:
                    train_accuracy = step.rows[-1]["train_accuracy"]
                    packed = pack_pretraining(header, step)
                    yield "epoch", {"checkpoint": packed, "train_accuracy": train_accuracy}
    except Exception as error:
        yield "failed", named(error)
    finally:
        restore_process(before)


def _teller(epochs: int, on_event: OnEvent) -> Callable[[int, float | None], None]:
    """Says how far pretraining is, every two seconds at most."""
    begun: list[tuple[int, float]] = []
    said_s = float("-inf")

    def say(epoch: int, accuracy: float | None) -> None:
        nonlocal said_s
        now = monotonic()
        begun.append((epoch, now))
        if now - said_s < SAY_EVERY_S and epoch < epochs:
            return
        said_s = now
        text = f"pretraining: epoch {epoch} of {epochs}"
        if accuracy is not None:
            text += f", train accuracy {accuracy:.4f}"
        if len(begun) > 2 and epoch < epochs:
            (first, since), left = begun[1], epochs - epoch
            text += f", {duration((now - since) / max(epoch - first, 1) * left)} left"
        on_event(StepStarted(text))

    return say


def _in_words(val_accuracy: float | None, test_accuracy: float | None) -> str:
    scores = {"held out": val_accuracy, "test": test_accuracy}
    said = [f"{score:.4f} {name}" for name, score in scores.items() if score is not None]
    return f"rotation accuracy {', '.join(said)}" if said else "no example to measure it on"

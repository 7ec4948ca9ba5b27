"""One configuration on all its folds, in a plain loop without Ray."""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from harness.config.sections import Training
from harness.data.types import Array, Fold, TrialData
from harness.failures import as_exceptions, error_text, guarded, traceback_text
from harness.results.provenance import utc_now
from harness.results.rows import TrialRows
from harness.training.trial_checkpoint import training_steps
from harness.training.trial_rows import (
    Row,
    TrialJob,
    ended_rows,
    epoch_rows,
    failed_rows,
    fold_predictions,
    fold_row,
    identity,
    summary,
    with_pretraining,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.training.backends.selection import Agreement, BackendChoice
    from harness.training.checkpoint import Checkpoints, Past
    from harness.training.initial_weights import Start
    from harness.training.model_stats import ModelFacts
    from harness.training.types import EpochResult, FoldOutcome, TrainingJob

__all__ = ["OnEpoch", "TrialJob", "TrialResult", "ended_rows", "failed_rows", "run_trial"]

Build = Callable[..., "nn.Module"]
Weights = Mapping[str, Array]
Attend = Callable[["nn.Module", "Tensor"], "Tensor"]
OnEpoch = Callable[[tuple[Row, ...], float], None]
Attributes = Callable[[], Mapping[str, object] | None]
_Trained = Generator[tuple[tuple[Row, ...], float], None, "TrialResult"]

_UNKEPT = (
    "{} can't be kept: the model that is tested and exported may be another than the one that "
    "validation chose, and a trial that is interrupted starts anew"
)


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What a trial leaves.

    weights: (repeat, fold) -> state dict on the CPU, empty if it failed. attributes: gives what
    else the models hold; None where that is nothing. changed: what it changed in its process, in
    words; that process should train nothing else.
    """

    rows: TrialRows
    weights: Mapping[tuple[int, int], Mapping[str, "Tensor"]] = field(default_factory=dict)
    attributes: Mapping[tuple[int, int], Attributes] = field(default_factory=dict)
    changed: tuple[str, ...] = ()


def run_trial(
    job: TrialJob,
    data: TrialData,
    *,
    build: Build,
    on_epoch: OnEpoch,
    attention: Attend | None = None,
    weights: Weights | None = None,
) -> TrialResult:
    """Train the job's repeats on their folds and make the rows of all tables.

    on_epoch: gets the epoch's rows and the fold mean of the objective after each epoch; what it
        raises ends the trial and passes through.
    attention: the model's own, where it has one.
    weights: entries of a state dict to start from; None starts from random ones.
    """
    epochs = trial_epochs(job, data, build=build, attention=attention, weights=weights)
    while True:
        try:
            rows, objective = next(epochs)
        except StopIteration as end:
            result: TrialResult = end.value
            return result
        on_epoch(rows, objective)


def trial_epochs(
    job: TrialJob,
    data: TrialData,
    *,
    build: Build,
    attention: Attend | None = None,
    weights: Weights | None = None,
    checkpoints: "Checkpoints | None" = None,
    agreement: "Agreement | None" = None,
    tell: Callable[[str], None] = print,
    interruptible: bool = True,
    changed_names: Callable[[], tuple[str, ...]] = tuple,
    on_findings: Callable[[tuple[str, ...]], None] = lambda codes: None,
) -> Generator[tuple[tuple[Row, ...], float], None, TrialResult]:
    """The same as a generator: yields each epoch's rows and mean, returns the trial's result.

    A trial that goes on from a checkpoint first yields the epochs that lie behind it.
    Whatever the model or the training raises becomes a trials row with status `failed`, also what
    is no Exception, such as `sys.exit`. What it changes in its process is a finding, and is put
    back.
    interruptible: a KeyboardInterrupt may be the user's Ctrl-C and passes; in a worker it never is.
    agreement: makes the trials of a run that have one model's shape train their folds in one way.
    Where folds trained as one turn out to train otherwise than in the loop, the trial begins anew,
    in the loop; its epochs are yielded again.
    tell: gets what a user should know once. changed_names: what the model's file keeps afterwards.
    on_findings: gets the codes of what is found in the model and the data before the first epoch.
    """
    from harness.training.isolation import TrialProcess
    from harness.training.model_stats import model_facts

    started_at = utc_now()
    epochs: list[Row] = []
    layers: list[Row] = []
    process = TrialProcess()
    findings: tuple[str, ...] | None = None  # unknown until the model was looked at
    try:
        with as_exceptions(interruptible=interruptible):
            _prepare(job)
            process.begin(data)
            training = _training_job(job, data, build, attention=attention, weights=weights)
            past = checkpoints.past() if checkpoints else None
            # before anything else runs the model, so that its own mistakes are named as such
            facts = model_facts(training, key=_model_key(job, data), counts=job.counts)
            findings = _findings(data, facts)
            on_findings(findings)
            training, choice = _chosen(job, training, past, agreement=agreement, tell=tell)

        def train(training: "TrainingJob", past: "Past | None") -> _Trained:
            epochs.clear()
            layers.clear()
            steps = training_steps(job, training, checkpoints, past, layers, tell=tell)
            return _train(
                job,
                training,
                guarded(steps, interruptible=interruptible),
                facts,
                epochs=epochs,
                layers=layers,
                started_at=started_at,
                tell=tell,
            )

        trained = _or_in_the_loop(train, training, past, choice, agreement=agreement, tell=tell)
        del past  # it is as large as all folds
        result = yield from trained
    except Exception as error:
        text, trace = error_text(error), traceback_text(error)
        rows = failed_rows(job, text, epochs, trace=trace, started_at=started_at, findings=findings)
        result = TrialResult(replace(rows, layers=tuple(layers)))
    finally:  # also where nobody wants the epochs that are left
        left = process.end()
    if left.written:
        result = _spoilt(job, left.written, epochs, started_at=started_at, findings=findings)
    return _with_changes(job, result, left.changed, changed_names(), tell=tell)


def _spoilt(
    job: TrialJob,
    written: tuple[str, ...],
    epochs: Sequence[Row],
    *,
    started_at: datetime,
    findings: Sequence[str] | None,
) -> TrialResult:
    """Of a trial that wrote into the data it trained on: no number of it means anything."""
    from harness.training.shared_arrays import SharedDataWritten

    text = error_text(SharedDataWritten(written))
    return TrialResult(failed_rows(job, text, epochs, started_at=started_at, findings=findings))


def _with_changes(
    job: TrialJob,
    result: TrialResult,
    process: tuple[str, ...],
    names: tuple[str, ...],
    *,
    tell: Callable[[str], None],
) -> TrialResult:
    """With what the trial changed in its process, and of what its model's file keeps."""
    from harness.training.isolation import codes, in_words

    if not process and not names:
        return result
    model = job.config["model"]["name"]
    if process:
        tell(f"{model}: a trial left its process changed: {in_words(process)}")
    if names:
        tell(f"{model}: its file keeps something between models: {in_words(names)}")
    before = result.rows.trial.get("findings")
    found = [*codes("changed_process", process), *codes("changed_names", names)]
    trial = {**result.rows.trial, "findings": ",".join([before, *found] if before else found)}
    return replace(result, rows=replace(result.rows, trial=trial), changed=process)


def _or_in_the_loop(
    train: "Callable[[TrainingJob, Past | None], _Trained]",
    training: "TrainingJob",
    past: "Past | None",
    choice: "BackendChoice",
    *,
    agreement: "Agreement | None",
    tell: Callable[[str], None],
) -> _Trained:
    """The trial as it was prepared; from its beginning in the loop where that trains otherwise."""
    from harness.training.backends.selection import confirmed, refused
    from harness.training.types import NotAsTheLoop

    trained = train(training, past)
    del past
    try:
        result = yield from trained
    except NotAsTheLoop as error:
        why = str(error)
    else:
        found = confirmed(choice, training, epochs=result.rows.trial["epochs_trained"])
        if agreement is not None and choice.key and found.compared > choice.compared:
            agreement.revise(choice.key, found)
        return result
    tell(f"folds train one after the other, and this trial from its beginning: {why}")
    if agreement is not None and choice.key:
        agreement.revise(choice.key, refused(why))
    return (yield from train(replace(training, execution="loop", compare_from=None), None))


def _train(
    job: TrialJob,
    training: "TrainingJob",
    steps: "Generator[EpochResult, None, tuple[FoldOutcome, ...]]",
    facts: "ModelFacts",
    *,
    epochs: list[Row],
    layers: list[Row],
    started_at: datetime,
    tell: Callable[[str], None],
) -> Generator[tuple[tuple[Row, ...], float], None, TrialResult]:
    data = training.data
    outcomes = yield from _noted(steps, job, epochs)
    unkept = next((outcome.unkept for outcome in outcomes if outcome.unkept), "")
    if unkept:
        tell(f"{job.config['model']['name']}: {_UNKEPT.format(unkept)}")
    ended = [(data.folds[i], outcome) for i, outcome in zip(training.folds, outcomes, strict=True)]
    folds = [fold_row(job, data, fold, outcome=outcome) for fold, outcome in ended]
    trial = {
        **identity(job, "complete", started_at=started_at),
        **summary(job, [*job.previous_folds, *folds], epochs),
        "n_parameters": facts.n_parameters,
        "n_parameters_trainable": facts.n_parameters_trainable,
        "n_parameters_without_gradient": facts.n_parameters_without_gradient,
        "mult_adds": facts.mult_adds,
        "findings": ",".join(_findings(data, facts, ended)),
        "class_names": json.dumps(data.class_names, ensure_ascii=False),
        "fold_execution": training.execution,
        "peak_memory_mb": _peak_memory_mb(job.device),
    }
    kept = ended if job.keep_predictions else []
    predictions = [block for pair in kept for block in fold_predictions(data, *pair)]
    return TrialResult(
        rows=TrialRows(
            trial,
            folds=folds,
            epochs=with_pretraining(job, epochs),
            predictions=predictions,
            attention=[row for outcome in outcomes for row in outcome.attention],
            layers=tuple(layers),
        ),
        weights={(outcome.repeat, outcome.fold): outcome.state for outcome in outcomes},
        attributes={(outcome.repeat, outcome.fold): outcome.attributes for outcome in outcomes},
    )


def _prepare(job: TrialJob) -> None:
    """Makes the process ready to compute, before anything of the model runs."""
    import torch

    from harness.training.precision import forget_compiled, prepare_precision
    from harness.training.worker_setup import prepare_process

    training = job.config["training"]
    fast = training.get("fast_operators", False)
    prepare_process(threads=job.resources_cpu, device=job.device, fast_operators=fast)
    prepare_precision(training.get("precision"), torch.device(job.device))
    if training.get("compile"):
        forget_compiled()


def _training_job(
    job: TrialJob,
    data: TrialData,
    build: Build,
    *,
    attention: Attend | None,
    weights: Weights | None,
) -> "TrainingJob":
    import torch

    from harness.training.types import TrainingJob

    if job.initial is not None and job.initial.error is not None:
        raise RuntimeError(f"no weights to start from: {job.initial.error}")
    model = job.config["model"]
    training = TrainingJob(
        training=Training.model_validate(dict(job.config["training"])),
        data=data,
        folds=tuple(i for i, fold in enumerate(data.folds) if fold.repeat in job.repeats),
        build=build,
        model_arguments={key: value for key, value in model.items() if key != "name"},
        objective=job.objective,
        seed=job.config["seed"],
        device=torch.device(job.device),
        attention=attention,
    )
    return replace(training, start=_start(training, weights))


def _chosen(
    job: TrialJob,
    training: "TrainingJob",
    past: "Past | None",
    *,
    agreement: "Agreement | None",
    tell: Callable[[str], None],
) -> "tuple[TrainingJob, BackendChoice]":
    """The job with the way chosen in which its folds train, and why."""
    from harness.training.backends.selection import choose

    recorded = past.execution if past else job.execution
    code = job.code_fingerprint
    agree = None if agreement is None else agreement.ask
    choice = choose(training, recorded=recorded, agree=agree, code=code)
    if choice.obstacle:
        tell(f"{job.config['model']['name']}: folds train one after the other: {choice.reason}")
    compare_from = choice.compared if choice.execution == "vectorized" else None
    return replace(training, execution=choice.execution, compare_from=compare_from), choice


def _start(training: "TrainingJob", weights: Weights | None) -> "Start | None":
    """What is done to the models before they train; None where they start as they are built."""
    import torch

    from harness.training.initial_weights import Start, head_entries

    only_head = training.training.trainable == "head"
    if weights is None and not only_head:
        return None
    arguments = training.build_arguments(training.folds[0])
    input_shape, num_classes = arguments.pop("input_shape"), arguments.pop("num_classes")
    head = head_entries(
        training.build, input_shape=input_shape, num_classes=num_classes, arguments=arguments
    )
    given = None if weights is None else {k: torch.tensor(v) for k, v in weights.items()}
    return Start(given, head, only_head)


def _model_key(job: TrialJob, data: TrialData) -> str:
    """What decides the model's facts; empty, so not remembered, where code or data is unnamed."""
    if not job.code_fingerprint or not data.fingerprint:
        return ""
    model = json.dumps(job.config["model"], sort_keys=True)
    start = f"{job.initial and job.initial.source} {job.config['training'].get('trainable')}"
    return "\n".join((job.code_fingerprint, data.fingerprint, job.device, model, start))


def _noted(
    training: "Generator[EpochResult, None, tuple[FoldOutcome, ...]]",
    job: TrialJob,
    epochs: list[Row],
) -> "Generator[tuple[tuple[Row, ...], float], None, tuple[FoldOutcome, ...]]":
    """Each epoch as rows, kept in `epochs` too; what the training returns in the end."""
    while True:
        try:
            result = next(training)
        except StopIteration as end:
            outcomes: tuple[FoldOutcome, ...] = end.value
            return outcomes
        rows = epoch_rows(job, result)
        epochs.extend(rows)
        yield rows, result.objective_mean


def _findings(
    data: TrialData, facts: "ModelFacts", ended: Sequence[tuple[Fold, "FoldOutcome"]] = ()
) -> tuple[str, ...]:
    """The codes found in the model, the data and the predictions, in their usual order."""
    from harness.training.probes import place

    found = {*facts.findings, *data.findings}
    if any(_is_constant(data, fold, outcome) for fold, outcome in ended):
        found.add("constant_predictions")
    if any(outcome.unkept for _, outcome in ended):
        found.add("unkept_state")
    return tuple(sorted(found, key=place))


def _is_constant(data: TrialData, fold: Fold, outcome: "FoldOutcome") -> bool:
    """Whether every validation example gets one class, though there are several."""
    predicted = outcome.predictions["validation"].argmax(1)
    return len(np.unique(predicted)) == 1 < len(np.unique(data.targets[fold.validation]))


def _peak_memory_mb(device: str) -> float:
    """MB (1e6 bytes): of the trial's tensors on a GPU, else of the process since its start."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

"""One configuration on all its folds, in a plain loop without Ray."""

import json
import resource
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import torch
from torch import Tensor, nn

from harness.config.sections import Training
from harness.data.types import Array, Fold, TrialData
from harness.results.provenance import utc_now
from harness.results.rows import TrialRows
from harness.training.backends.selection import (
    Agreement,
    BackendChoice,
    choose,
    confirmed,
    refused,
)
from harness.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Header,
    starts_anew,
    trial_setting,
)
from harness.training.initial_weights import Start, head_entries
from harness.training.layer_statistics import layer_observer
from harness.training.model_stats import ModelFacts, model_facts
from harness.training.precision import forget_compiled, prepare_precision
from harness.training.probes import place
from harness.training.trainer import Keep, train_folds
from harness.training.training_state import (
    Checkpointing,
    TrainingState,
    TrialState,
    pack_trial,
)
from harness.training.trial_leaks import (
    ProcessWatch,
    SharedDataWritten,
    codes,
    in_words,
)
from harness.training.trial_rows import (
    Row,
    TrialJob,
    epoch_rows,
    failed_rows,
    fold_predictions,
    fold_row,
    identity,
    summarized,
    with_pretraining,
)
from harness.training.types import (
    EpochResult,
    FoldOutcome,
    NotAsTheLoop,
    TrainedFolds,
    TrainingJob,
)
from harness.training.worker_setup import prepare_process
from harness.user_code_errors import (
    as_exceptions,
    error_text,
    next_step,
    traceback_text,
)

Build = Callable[..., nn.Module]
Weights = Mapping[str, Array]
Attend = Callable[[nn.Module, Tensor], Tensor]
OnEpoch = Callable[[tuple[Row, ...], float], None]
Attributes = Callable[[], Mapping[str, object] | None]
Tell = Callable[[str], None]

_UNKEPT = (
    "{} can't be kept: the model that is tested and exported may be another than the one that "
    "validation chose, and a trial that is interrupted starts anew"
)


@dataclass(frozen=True, eq=False)
class TrialEpoch:
    """An epoch's rows, and the mean of the objective over all folds."""

    rows: tuple[Row, ...]
    objective: float


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What a trial leaves.

    Attributes:
        rows: Of all tables.
        weights: (repeat, fold) -> state dict on the CPU, empty if it failed.
        attributes: Gives what else the models hold; None where that is nothing.
        changed: What it changed in its process, in words; that process should train nothing else.
    """

    rows: TrialRows
    weights: Mapping[tuple[int, int], Mapping[str, Tensor]] = field(default_factory=dict)
    attributes: Mapping[tuple[int, int], Attributes] = field(default_factory=dict)
    changed: tuple[str, ...] = ()


TrialSteps = Generator[TrialEpoch | TrialResult, None, None]


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

    Args:
        job: What to train.
        data: Of its dataset.
        build: The model's `build`.
        on_epoch: Gets the epoch's rows and the fold mean of the objective after each epoch; what
            it raises ends the trial and passes through.
        attention: The model's own, where it has one.
        weights: Entries of a state dict to start from; None starts from random ones.
    """
    steps = trial_steps(job, data, build=build, attention=attention, weights=weights)
    for step in steps:
        if isinstance(step, TrialResult):
            return step
        on_epoch(step.rows, step.objective)
    raise AssertionError("a trial ends with its result")


def trial_steps(
    job: TrialJob,
    data: TrialData,
    *,
    build: Build,
    attention: Attend | None = None,
    weights: Weights | None = None,
    checkpointing: Checkpointing | None = None,
    agreement: Agreement | None = None,
    tell: Tell = print,
    interruptible: bool = True,
    changed_names: Callable[[], tuple[str, ...]] = tuple,
    on_findings: Callable[[tuple[str, ...]], None] = lambda codes: None,
) -> TrialSteps:
    """Yield each epoch as it ends, then the trial's result; see `run_trial`.

    A trial that goes on from a checkpoint first yields the epochs that lie behind it. Where folds
    trained as one turn out to train otherwise than in the loop, or a checkpoint does not fit the
    model, the trial begins anew: its epochs are yielded again.
    Whatever the model or the training raises becomes a trials row with status `failed`, also what
    is no Exception, such as `sys.exit`. What it changes in its process is a finding, and is put
    back.

    Args:
        checkpointing: How the trial keeps itself; None keeps nothing.
        agreement: Makes the trials of a run that have one model's shape train their folds in one
            way.
        tell: Gets what a user should know once.
        interruptible: A KeyboardInterrupt may be the user's Ctrl-C and passes; in a worker it
            never is.
        changed_names: What the model's file keeps afterwards.
        on_findings: Gets the codes of what is found in the model and the data before the first
            epoch.
    """
    progress = _Progress()
    process = ProcessWatch()
    result: TrialResult | None = None
    try:
        with as_exceptions(interruptible=interruptible):
            _prepare(job)
            process.begin(data)
            training = _training_job(job, data, build, attention=attention, weights=weights)
            past = checkpointing.resume() if checkpointing else None
            # before anything else runs the model, so that its own mistakes are named as such
            facts = model_facts(training, key=_model_key(job, data), counts=job.counts)
            progress.findings = _findings(data, facts)
            on_findings(progress.findings)
            training, choice = _chosen(job, training, past, agreement=agreement, tell=tell)
        while result is None:
            progress.begin(past)
            steps = _fold_steps(job, training, past, progress, checkpointing)
            resumes, past = past is not None, None  # it is as large as all folds
            try:
                with closing(steps):
                    while step := next_step(steps, interruptible=interruptible):
                        if isinstance(step, EpochResult):
                            yield progress.epoch_ended(job, step)
                        else:
                            _tell_unkept(job, step, tell)
                            result = _completed(job, training, step, facts, progress)
            except CheckpointError as error:  # raised before the first step alone
                if not resumes:
                    raise
                tell(starts_anew(f"trial {job.trial_id}", str(error)))
            except NotAsTheLoop as error:
                training = _in_the_loop(training, choice, str(error), agreement, tell=tell)
        _agree_on(choice, training, result, agreement)
    except Exception as error:
        failed = _failed(job, error_text(error), progress, trace=traceback_text(error))
        result = replace(failed, rows=replace(failed.rows, layers=tuple(progress.layers)))
    finally:  # also where nobody wants the epochs that are left
        left = process.end()
    if left.written:  # no number of it means anything
        result = _failed(job, error_text(SharedDataWritten(left.written)), progress)
    yield _with_changes(job, result, left.changed, changed_names(), tell=tell)


@dataclass(eq=False)
class _Progress:
    """What is known of a trial by now, in case it fails.

    findings: codes; None until the model was looked at.
    """

    started_at: datetime = field(default_factory=utc_now)
    epochs: list[Row] = field(default_factory=list)
    layers: list[Row] = field(default_factory=list)
    findings: tuple[str, ...] | None = None

    def begin(self, past: TrialState | None) -> None:
        """Forget what an attempt before this one left; its past tells its epochs again."""
        self.epochs.clear()
        self.layers[:] = past.layers if past else ()

    def epoch_ended(self, job: TrialJob, result: EpochResult) -> TrialEpoch:
        rows = epoch_rows(job, result)
        self.epochs.extend(rows)
        return TrialEpoch(rows, result.objective_mean)


def _fold_steps(
    job: TrialJob,
    training: TrainingJob,
    past: TrialState | None,
    progress: _Progress,
    checkpointing: Checkpointing | None,
) -> Generator[EpochResult | TrainedFolds, None, None]:
    """The training of the folds; it is kept, and its layers looked at, where that is asked for."""
    layers = progress.layers
    return train_folds(
        training,
        observe=layer_observer(layers) if job.diagnostics == "layers" else None,
        past=past.training if past else None,
        keep=_keeper(job, training, checkpointing, layers) if checkpointing else None,
    )


def _keeper(
    job: TrialJob, training: TrainingJob, checkpointing: Checkpointing, layers: Sequence[Row]
) -> Keep:
    """Makes the trial's checkpoint of the folds' state."""
    setting, epochs = trial_setting(job, training.execution), training.training.epochs

    def keep(state: Callable[[], TrainingState]) -> None:
        def checkpoint() -> Checkpoint:
            now = state()
            header = Header(setting, len(now.results), epochs, job.attempt, now.unkept)
            return pack_trial(header, TrialState(now, tuple(layers)))

        checkpointing.keep(checkpoint)

    return keep


def _failed(
    job: TrialJob, error: str, progress: _Progress, *, trace: str | None = None
) -> TrialResult:
    started_at, findings = progress.started_at, progress.findings
    rows = failed_rows(
        job, error, progress.epochs, trace=trace, started_at=started_at, findings=findings
    )
    return TrialResult(rows)


def _with_changes(
    job: TrialJob,
    result: TrialResult,
    process: tuple[str, ...],
    names: tuple[str, ...],
    *,
    tell: Tell,
) -> TrialResult:
    """With what the trial changed in its process, and of what its model's file keeps."""
    if not process and not names:
        return result
    model = job.config["model"]["name"]
    if process:
        tell(f"{model}: a trial left its process changed: {in_words(process)}")
    if names:
        tell(f"{model}: its file keeps something between models: {in_words(names)}")
    before = result.rows.trial.get("findings")
    after = [*codes("changed_process", process), *codes("changed_names", names)]
    trial = {**result.rows.trial, "findings": ",".join([before, *after] if before else after)}
    return replace(result, rows=replace(result.rows, trial=trial), changed=process)


def _in_the_loop(
    training: TrainingJob,
    choice: BackendChoice,
    why: str,
    agreement: Agreement | None,
    *,
    tell: Tell,
) -> TrainingJob:
    """The job as it trains where its folds together train otherwise than in the loop."""
    tell(f"folds train one after the other, and this trial from its beginning: {why}")
    if agreement is not None and choice.key:
        agreement.revise(choice.key, refused(why))
    return replace(training, execution="loop", compare_from=None)


def _agree_on(
    choice: BackendChoice, training: TrainingJob, result: TrialResult, agreement: Agreement | None
) -> None:
    """Lets trials of the same shape know up to which step this one was compared with the loop."""
    confirmed_choice = confirmed(choice, training, epochs=result.rows.trial["epochs_trained"])
    further = confirmed_choice.compared > choice.compared
    if agreement is not None and choice.key and further:
        agreement.revise(choice.key, confirmed_choice)


def _tell_unkept(job: TrialJob, trained: TrainedFolds, tell: Tell) -> None:
    unkept = next((outcome.unkept for outcome in trained.outcomes if outcome.unkept), "")
    if unkept:
        tell(f"{job.config['model']['name']}: {_UNKEPT.format(unkept)}")


def _completed(
    job: TrialJob,
    training: TrainingJob,
    trained: TrainedFolds,
    facts: ModelFacts,
    progress: _Progress,
) -> TrialResult:
    """The rows and weights of a trial that trained to its end."""
    data, outcomes = training.data, trained.outcomes
    ended = [(data.folds[i], outcome) for i, outcome in zip(training.folds, outcomes, strict=True)]
    folds = [fold_row(job, data, fold, outcome=outcome) for fold, outcome in ended]
    trial = replace(
        summarized(
            identity(job, "complete", started_at=progress.started_at),
            job,
            [*job.previous_folds, *folds],
            progress.epochs,
        ),
        n_parameters=facts.n_parameters,
        n_parameters_trainable=facts.n_parameters_trainable,
        n_parameters_without_gradient=facts.n_parameters_without_gradient,
        mult_adds=facts.mult_adds,
        findings=",".join(_findings(data, facts, ended)),
        class_names=json.dumps(data.class_names, ensure_ascii=False),
        fold_execution=training.execution,
        peak_memory_mb=_peak_memory_mb(job.device),
    )
    kept = ended if job.keep_predictions else []
    predictions = [block for pair in kept for block in fold_predictions(data, *pair)]
    return TrialResult(
        rows=TrialRows(
            trial.cells(),
            folds=folds,
            epochs=with_pretraining(job, progress.epochs),
            predictions=predictions,
            attention=[row for outcome in outcomes for row in outcome.attention],
            layers=tuple(progress.layers),
        ),
        weights={(outcome.repeat, outcome.fold): outcome.state for outcome in outcomes},
        attributes={(outcome.repeat, outcome.fold): outcome.attributes for outcome in outcomes},
    )


def _prepare(job: TrialJob) -> None:
    """Makes the process ready to compute, before anything of the model runs."""
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
) -> TrainingJob:
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
    training: TrainingJob,
    past: TrialState | None,
    *,
    agreement: Agreement | None,
    tell: Tell,
) -> tuple[TrainingJob, BackendChoice]:
    """The job with the way chosen in which its folds train, and why."""
    recorded = past.execution if past else job.execution
    code = job.code_fingerprint
    agree = None if agreement is None else agreement.ask
    choice = choose(training, recorded=recorded, agree=agree, code=code)
    if choice.obstacle:
        tell(f"{job.config['model']['name']}: folds train one after the other: {choice.reason}")
    compare_from = choice.compared if choice.execution == "vectorized" else None
    return replace(training, execution=choice.execution, compare_from=compare_from), choice


def _start(training: TrainingJob, weights: Weights | None) -> Start | None:
    """What is done to the models before they train; None where they start as they are built."""
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


def _findings(
    data: TrialData, facts: ModelFacts, ended: Sequence[tuple[Fold, FoldOutcome]] = ()
) -> tuple[str, ...]:
    """The codes found in the model, the data and the predictions, in their usual order."""
    found = {*facts.findings, *data.findings}
    if any(_is_constant(data, fold, outcome) for fold, outcome in ended):
        found.add("constant_predictions")
    if any(outcome.unkept for _, outcome in ended):
        found.add("unkept_state")
    return tuple(sorted(found, key=place))


def _is_constant(data: TrialData, fold: Fold, outcome: FoldOutcome) -> bool:
    """Whether every validation example gets one class, though there are several."""
    predicted = outcome.predictions["validation"].argmax(1)
    return len(np.unique(predicted)) == 1 < len(np.unique(data.targets[fold.validation]))


def _peak_memory_mb(device: str) -> float:
    """MB (1e6 bytes): of the trial's tensors on a GPU, else of the process since its start."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

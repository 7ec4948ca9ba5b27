"""What is known of a model before it is trained: size, cost, silent mistakes."""

from dataclasses import dataclass

from harness.training.backends.fold_run import build_model
from harness.training.model_summary import ModelCounts, count
from harness.training.probes import probe
from harness.training.types import TrainingJob


@dataclass(frozen=True)
class ModelFacts:
    """Size and cost of a model, and the findings of its probe.

    mult_adds: per example, forward; None where torch can't count them.
    """

    n_parameters: int
    n_parameters_trainable: int
    n_parameters_without_gradient: int
    mult_adds: int | None
    findings: tuple[str, ...]


_known: dict[str, ModelFacts] = {}


def model_facts(job: TrainingJob, *, key: str, counts: ModelCounts | None = None) -> ModelFacts:
    """Return the facts of the job's model, found once per process for each key.

    key: names the model's code, its arguments and the data; empty: find them anew.
    counts: where they are known already; counting imports much of torch.
    Raises whatever the model raises.
    """
    if key not in _known:
        facts = _find(job, counts or _count(job))
        if not key:
            return facts
        _known[key] = facts
    return _known[key]


def _find(job: TrainingJob, counts: ModelCounts) -> ModelFacts:
    probed = probe(job)
    n_trainable = counts.n_parameters_trainable
    if job.start is not None and job.start.only_head:
        parameters = build_model(job, job.folds[0]).parameters()
        n_trainable = sum(one.numel() for one in parameters if one.requires_grad)
    return ModelFacts(
        n_parameters=counts.n_parameters,
        n_parameters_trainable=n_trainable,
        n_parameters_without_gradient=probed.n_parameters_without_gradient,
        mult_adds=counts.mult_adds,
        findings=probed.findings,
    )


def _count(job: TrainingJob) -> ModelCounts:
    data, arguments = job.data, job.build_arguments(job.folds[0])
    ids = data.input_scale is None and data.inputs[0].dtype.kind in "iu"
    return count(
        job.build,
        input_shape=arguments.pop("input_shape"),
        num_classes=arguments.pop("num_classes"),
        arguments=arguments,
        input_dtype="int64" if ids else "float32",
    )

"""Look for the silent mistakes of a model before it is trained: on a model of its own.

Training seeds itself anew at every fold and epoch, so nothing a probe draws reaches it.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.training.executions.fold_run import build_model
from harness.training.job import TrainingJob
from harness.training.resident import FoldSource, as_tensor, fold_source, gather

FINDINGS = (
    "dead_parameters",
    "softmax_outputs",
    "random_evaluation",
    "input_independent",
    "constant_predictions",
    "untouched_initialiser",
    "shared_examples",
)

_N_BATCHES = 4
_BATCH_SIZE = 4
_INITIALISER_NAMES = {
    f"{verb}_{noun}"
    for verb in ("init", "initialise", "initialize", "reset")
    for noun in ("weight", "weights", "parameters", "params", "layers")
}


@dataclass(frozen=True)
class Probe:
    """What was found in a model, in the order of FINDINGS."""

    findings: tuple[str, ...]
    n_parameters_without_gradient: int


def probe(job: TrainingJob) -> Probe:
    """Probe the model of the job's first fold with a few batches of its train examples.

    dead_parameters: a trainable tensor whose gradient was None or all zero in all of four
        optimizer steps (a head initialised to zero hides what lies before it in the first).
    softmax_outputs: outputs are non-negative and sum to one, so the loss squashes them twice.
    random_evaluation: two passes in evaluation mode differ.
    input_independent: different inputs, equal logits.
    untouched_initialiser: see `_initialiser_is_untouched`.
    Raises ValueError where the outputs are not (batch, num_classes), and what the model raises.
    """
    index = job.folds[0]
    source = fold_source(job.data, index, job.device)
    model = build_model(job, index)
    constant = _weights_are_constant(model)
    batches = list(_batches(job, source))
    dead = _dead_parameters(model, batches, num_classes=len(job.data.class_names))
    inputs = batches[0][0]
    first, second = _evaluate(model, inputs), _evaluate(model, inputs)
    found = {
        "dead_parameters": bool(dead),
        "softmax_outputs": _is_softmax(first),
        "random_evaluation": not torch.allclose(first, second, rtol=1e-4, equal_nan=True),
        "input_independent": _all_rows_equal(first) and not _all_rows_equal(inputs.flatten(1)),
        "untouched_initialiser": constant or _initialiser_is_untouched(model),
    }
    return Probe(
        findings=tuple(code for code in FINDINGS if found.get(code)),
        n_parameters_without_gradient=sum(parameter.numel() for parameter in dead),
    )


def _batches(job: TrainingJob, source: FoldSource) -> Iterator[tuple[Tensor, Tensor]]:
    """Examples spread evenly over the fold's train examples, so that classes mix."""
    train = as_tensor(job.data.folds[job.folds[0]].train)
    size = max(2, min(_BATCH_SIZE, job.training.batch_size))
    positions = torch.linspace(0, len(train) - 1, steps=_N_BATCHES * size).long()
    for start in range(_N_BATCHES):
        indices = train[positions[start::_N_BATCHES]].to(job.device)
        yield gather(source, indices), source.targets.index_select(0, indices)


def _dead_parameters(
    model: nn.Module, batches: list[tuple[Tensor, Tensor]], *, num_classes: int
) -> list[nn.Parameter]:
    """Trainable parameters that no batch gave a gradient; at least one step of training."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("the model has no trainable parameters")
    dead = trainable
    model.train()
    for inputs, targets in batches:
        logits = model(inputs.clone())  # a model may write into its input
        _check_shape(logits, (len(inputs), num_classes))
        for parameter in trainable:
            parameter.grad = None
        torch.autograd.backward(F.cross_entropy(logits, targets))
        dead = [parameter for parameter in dead if _has_no_gradient(parameter)]
        _nudge(trainable)
        if not dead:
            break
    return dead


def _nudge(parameters: list[nn.Parameter]) -> None:
    """Adam's first step, without its state."""
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.sub_(1e-3 * parameter.grad.sign())


def _has_no_gradient(parameter: nn.Parameter) -> bool:
    return parameter.grad is None or not bool(parameter.grad.any())


def _check_shape(logits: Any, expected: tuple[int, int]) -> None:
    found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if found != expected:
        raise ValueError(
            f"the model gave {found} for a batch of {expected[0]}; expected logits {expected}"
        )


def _evaluate(model: nn.Module, inputs: Tensor) -> Tensor:
    model.eval()
    with torch.no_grad():
        logits: Tensor = model(inputs.clone())
    return logits.float()


def _is_softmax(outputs: Tensor) -> bool:
    sums = outputs.sum(1)
    return bool((outputs >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)


def _all_rows_equal(rows: Tensor) -> bool:
    """Equal but for the rounding of one example's place in its batch."""
    spread = (rows - rows[:1]).abs().max()
    return bool(spread <= 1e-6 * rows.abs().max())


def _weights_are_constant(model: nn.Module) -> bool:
    """Several weight matrices, each of one repeated value: its units can never differ."""
    matrices = [weight for weight in model.parameters() if _is_matrix(weight)]
    return len(matrices) > 1 and all(bool((w == w.flatten()[0]).all()) for w in matrices)


def _is_matrix(weight: Tensor) -> bool:
    return weight.requires_grad and weight.ndim >= 2 and min(weight.shape[:2]) > 1


def _initialiser_is_untouched(model: nn.Module) -> bool:
    """Whether one of the model's own initialisers changes nothing when called again.

    An initialiser is a method of a module defined outside torch whose name says so
    (`init_weights`, `_initialize_weights_`, `reset_parameters`, ...), taking nothing, or a module
    as `Module.apply` gives it. The typical flaw: it loops over `children()` where the layers lie
    deeper. Whether an initialiser with another name ran can't be known. Changes the model.
    """
    with torch.no_grad():
        return any(not _changes_a_parameter(module, call) for module, call in _initialisers(model))


def _initialisers(model: nn.Module) -> Iterator[tuple[nn.Module, Callable[[], Any]]]:
    for module in model.modules():
        package = type(module).__module__.split(".")[0]
        if package in ("torch", "torchvision", "torchaudio") or _has_no_parameters(module):
            continue
        for name in dir(type(module)):
            if name.strip("_").lower() in _INITIALISER_NAMES:
                yield from ((module, call) for call in _calls(module, getattr(module, name)))


def _has_no_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is None


def _calls(module: nn.Module, method: Callable[..., Any]) -> Iterator[Callable[[], Any]]:
    required = [
        parameter
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if not required:
        yield method
    elif len(required) == 1:
        yield lambda: module.apply(method)


def _changes_a_parameter(module: nn.Module, call: Callable[[], Any]) -> bool:
    """Fill every parameter with a marker that no initialiser leaves, then look for others."""
    marker = 0.4321
    for parameter in module.parameters():
        parameter.fill_(marker)
    try:
        call()
    except Exception:  # called out of its turn, it says nothing
        return True
    return any(
        bool((parameter != parameter.new_tensor(marker)).any()) for parameter in module.parameters()
    )

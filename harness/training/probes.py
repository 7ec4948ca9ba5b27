"""Look for the silent mistakes of a model before it is trained: on a model of its own.

Nothing a probe does stays: random generators stand afterwards where they stood, and a model that
`build` hands out more than once is put back. What is looked for beside a model's outputs and
gradients: layers that `parameters()` does not list (here), weights that are not drawn as they
should be (`randomness_probes`), predictions that depend on too much or too little
(`mixing_probes`).
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from harness.random_state import random_state_kept
from harness.training.backends.fold_run import build_model, init_seed
from harness.training.batches import (
    FoldSource,
    as_tensor,
    evaluation_batch_size,
    fold_source,
    gather,
)
from harness.training.mixing_probes import (
    examples_mix,
    mixes_tokens,
    together,
    watched_attention,
    weights_mix_tokens,
)
from harness.training.model_summary import wrong_output
from harness.training.module_state import undisturbed
from harness.training.randomness_probes import (
    Draws,
    SeedWatch,
    drew_alike,
    initialiser_is_untouched,
    starts_alike,
    weights_are_constant,
)
from harness.training.seeds import derive
from harness.training.torch_internals import without_compiler
from harness.training.types import TrainingJob
from harness.user_code_errors import UserErrorsIgnored

FINDINGS = (
    "dead_parameters",
    "unregistered_parameters",
    "softmax_outputs",
    "random_evaluation",
    "mixed_examples",
    "input_independent",
    "unmixed_tokens",
    "constant_predictions",
    "untouched_initialiser",
    "fixed_seed",
    "shared_examples",
    "unkept_state",
)

_CUT_OFF = (
    "forward gives logits without a gradient: no_grad, detach or numpy cuts them off from the "
    "parameters"
)
_N_BATCHES = 4
# Of the batches, where chance decides which layers run: a layer that seven steps of eight leave out
# is missed by four steps in 59 % of all cases, by sixteen in 12 %.
_ROUNDS = 4
_BATCH_SIZE = 4
_EVALUATED = 3  # examples of a batch: as few as change places; seldom a number of tokens too


@dataclass(frozen=True)
class Probe:
    """What was found in a model, in the order of FINDINGS.

    findings: codes; after a colon the attribute that is meant, as in
        `unregistered_parameters:encoder.layers`.
    """

    findings: tuple[str, ...]
    n_parameters_without_gradient: int


def probe(job: TrainingJob) -> Probe:
    """Probe the model of the job's first fold with a few batches of its train examples.

    dead_parameters: a trainable tensor whose gradient was None or all zero in all of four
        optimizer steps (a head initialised to zero hides what lies before it in the first), of
        sixteen where chance may leave a layer out.
    unregistered_parameters: see `harness.training.probes`.
    softmax_outputs: outputs are non-negative and sum to one, so the loss squashes them twice.
    random_evaluation: two passes in evaluation mode differ.
    mixed_examples: in evaluation mode, logits change with the other examples of the batch.
    input_independent: different inputs, equal logits.
    unmixed_tokens: an attention passes nothing from one token to another.
    untouched_initialiser: see `harness.training.randomness_probes`.
    fixed_seed: the model sets a seed of its own; see `harness.training.randomness_probes`.
    Raises ValueError where the outputs are not logits (batch, num_classes), and what the model
    raises.
    """
    with random_state_kept():
        watch, index = SeedWatch(job.device), job.folds[0]
        with watch.seeded(derive(job.seed, "probe")) as seed:
            twin = build_model(job, index, seed=seed)
        with watch.seeded(init_seed(job, index)) as seed:
            model = build_model(job, index, seed=seed)
        alike = starts_alike(twin, model)
        del twin
        with undisturbed(model):
            return _probe(job, model, seeded_in_build=watch.found or alike)


def _probe(job: TrainingJob, model: nn.Module, *, seeded_in_build: bool) -> Probe:
    source = fold_source(job.data, job.folds[0], job.device)
    batches = list(_batches(job, source))
    constant = weights_are_constant(model)
    trained = _train(job, model, batches)
    evaluated = _evaluations(job, model, batches)
    _check_single_examples(job, model, source)
    found = {
        "dead_parameters": bool(trained.dead),
        "softmax_outputs": _is_softmax(evaluated.ones),
        "random_evaluation": evaluated.random,
        "mixed_examples": evaluated.mixed,
        "input_independent": _all_rows_equal(evaluated.ones)
        and not _all_rows_equal(evaluated.inputs.flatten(1)),
        "unmixed_tokens": evaluated.unmixed_tokens,
        "untouched_initialiser": constant or initialiser_is_untouched(model),
        "fixed_seed": seeded_in_build or trained.seeded,
    }
    codes = [code for code in FINDINGS if found.get(code)]
    codes += [f"unregistered_parameters:{name}" for name in trained.unregistered]
    return Probe(
        findings=tuple(sorted(codes, key=place)),
        n_parameters_without_gradient=sum(parameter.numel() for parameter in trained.dead),
    )


def place(code: str) -> tuple[int, str]:
    """Sort findings as FINDINGS lists them, codes from elsewhere last."""
    kind = code.partition(":")[0]
    return FINDINGS.index(kind) if kind in FINDINGS else len(FINDINGS), code


@dataclass(frozen=True, eq=False)
class _Trained:
    """Of a few training steps. dead: parameters without a gradient in all of them; seeded: a step
    set a seed, or two steps drew the same; unregistered: names of attributes."""

    dead: list[nn.Parameter]
    seeded: bool
    unregistered: list[str]


@dataclass(frozen=True, eq=False)
class _Evaluated:
    """Of passes in evaluation mode. ones: logits of the inputs."""

    inputs: Tensor
    ones: Tensor
    random: bool
    mixed: bool
    unmixed_tokens: bool


def _batches(job: TrainingJob, source: FoldSource) -> Iterator[tuple[Tensor, Tensor]]:
    """Examples spread evenly over the fold's train examples, so that classes mix."""
    train = as_tensor(job.data.folds[job.folds[0]].train)
    size = max(2, min(_BATCH_SIZE, job.training.batch_size))
    positions = torch.linspace(0, len(train) - 1, steps=_N_BATCHES * size).long()
    for start in range(_N_BATCHES):
        indices = train[positions[start::_N_BATCHES]].to(job.device)
        yield gather(source, indices), source.targets.index_select(0, indices)


def _train(job: TrainingJob, model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> _Trained:
    """Train until every parameter had a gradient, two steps where the first drew anything."""
    listed = list(model.parameters())
    trainable = [parameter for parameter in listed if parameter.requires_grad]
    if not trainable:
        raise ValueError("the model has no trainable parameters")
    dead, draws, reached = trainable, [Draws(), Draws()], list[Tensor]()
    watch = SeedWatch(job.device)
    model.train()
    for step, (inputs, targets) in enumerate(batches * _ROUNDS):
        if step == len(batches) and not (watch.drawn or draws[0].some_small(len(inputs))):
            break
        with watch.seeded(derive(job.seed, "probe", step)):
            logits = _forward(model, inputs, draws[step] if step < len(draws) else None)
        _check_outputs(job, logits, inputs)
        for parameter in trainable:
            parameter.grad = None
        loss = F.cross_entropy(logits, targets)
        if not loss.requires_grad:
            raise ValueError(_CUT_OFF)
        reached += leaves(loss) if step == 0 else []
        torch.autograd.backward(loss)
        dead = [parameter for parameter in dead if _has_no_gradient(parameter)]
        _nudge(trainable)
        if not dead and (step > 0 or not (draws[0].samples or watch.drawn)):
            break
    return _Trained(
        dead=dead,
        seeded=watch.found or drew_alike(*draws),
        unregistered=unregistered(model, listed=listed, reached=reached),
    )


def _forward(model: nn.Module, inputs: Tensor, draws: Draws | None) -> Any:
    """The model's outputs; what it draws is noted where the model allows that."""
    if draws is not None:
        with UserErrorsIgnored(), without_compiler(), draws:
            return model(inputs.clone())  # a model may write into its input
        draws.samples.clear()
    return model(inputs.clone())


def _nudge(parameters: list[nn.Parameter]) -> None:
    """Adam's first step, without its state."""
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.sub_(1e-3 * parameter.grad.sign())


def _has_no_gradient(parameter: nn.Parameter) -> bool:
    return parameter.grad is None or not bool(parameter.grad.any())


def _check_outputs(job: TrainingJob, outputs: Any, inputs: Tensor) -> None:
    wrong = wrong_output(
        outputs,
        batch_size=len(inputs),
        num_classes=len(job.data.class_names),
        device=job.device,
    )
    if wrong:
        raise ValueError(wrong)


def _evaluations(
    job: TrainingJob, model: nn.Module, batches: list[tuple[Tensor, Tensor]]
) -> _Evaluated:
    inputs, others = (batch[:_EVALUATED] for batch, _ in batches[:2])
    ones, again = _evaluate(job, model, inputs), _evaluate(job, model, inputs)
    random = not torch.allclose(ones, again, rtol=1e-4, equal_nan=True)
    mixed = False
    if not random:
        mixture = _evaluate(job, model, together(inputs, others))
        mixed = examples_mix(ones, _evaluate(job, model, others), mixture)
    return _Evaluated(
        inputs=inputs,
        ones=ones,
        random=random,
        mixed=mixed,
        unmixed_tokens=_has_unmixed_tokens(job, model, inputs),
    )


def _evaluate(job: TrainingJob, model: nn.Module, inputs: Tensor) -> Tensor:
    model.eval()
    with torch.no_grad():
        logits: Tensor = model(inputs.clone())
    _check_outputs(job, logits, inputs)
    return logits.float()


def _check_single_examples(job: TrainingJob, model: nn.Module, source: FoldSource) -> None:
    """Where a role's last batch holds one example, the model must give logits for one too."""
    size = evaluation_batch_size(source, job.training.batch_size)
    folds = [job.data.folds[index] for index in job.folds]
    roles = [role for fold in folds for role in (fold.validation, fold.test)]
    if any(len(role) % size == 1 for role in roles):
        train = as_tensor(job.data.folds[job.folds[0]].train)
        _evaluate(job, model, gather(source, train[:1].to(job.device)))


def _has_unmixed_tokens(job: TrainingJob, model: nn.Module, inputs: Tensor) -> bool:
    """By the model's own attention weights where it shows them, and by its modules that attend."""
    model.eval()
    with (
        UserErrorsIgnored(),
        torch.no_grad(),
    ):  # called out of its turn, an error says nothing
        if job.attention is not None and not weights_mix_tokens(job.attention(model, inputs)):
            return True
    with UserErrorsIgnored(), torch.no_grad():
        with watched_attention(model, len(inputs)) as calls:
            model(inputs.clone())
        return any(not mixes_tokens(call) for call in calls)
    return False


def _is_softmax(outputs: Tensor) -> bool:
    sums = outputs.sum(1)
    return bool((outputs >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)


def _all_rows_equal(rows: Tensor) -> bool:
    """Equal but for the rounding of one example's place in its batch."""
    spread = (rows - rows[:1]).abs().max()
    return bool(spread <= 1e-6 * rows.abs().max())


_OF_TORCH = frozenset(vars(nn.Module()))  # what every module holds, hooks among it
_DEEPEST = 5  # containers within containers


def unregistered(
    model: nn.Module, *, listed: Iterable[nn.Parameter], reached: Iterable[Tensor]
) -> list[str]:
    """Return dotted names of attributes that hold what is not trained although it takes part.

    listed: what `parameters()` gave when the model was built; parameters that came later are
        named too. reached: leaves that a loss gave gradients to; one that no attribute
        leads to is named `?`.
    A module in a plain list counts where it has parameters that require a gradient, or depends on
    a mode that `train()` and `eval()` can't give it. Frozen ones in evaluation mode don't.
    """
    known = {id(one) for one in (*model.modules(), *model.buffers(), *listed)}
    named: set[int] = set()
    names: list[str] = []
    for prefix, module in model.named_modules():
        own = {key: one for key, one in vars(module).items() if key not in _OF_TORCH}
        for key, value in (own | dict(module.named_parameters(recurse=False))).items():
            forgotten = [one for held in _held(value) for one in _forgotten(held, known)]
            if forgotten:
                names.append(f"{prefix}.{key}" if prefix else key)
                named |= {id(one) for one in forgotten}
    if any(id(leaf) not in known | named for leaf in reached):
        names.append("?")
    return names


def leaves(loss: Tensor) -> list[Tensor]:
    """Return all tensors that a backward pass from the loss would give gradients to."""
    found, seen, open_nodes = [], set(), [loss.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            found.append(leaf)
        open_nodes += [following for following, _ in node.next_functions]
    return found


def _held(value: Any, depth: int = 0) -> Iterator[nn.Module | Tensor]:
    """Modules and tensors in a value: in containers, in what a function closes over, in objects."""
    if isinstance(value, nn.Module | Tensor):
        yield value
    elif depth < _DEEPEST:
        for one in _parts(value):
            yield from _held(one, depth + 1)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset | deque):
        numbers = isinstance(next(iter(value), None), int | float | str)  # of any length
        return [] if numbers else list(value)
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, FunctionType):
        return [cell.cell_contents for cell in value.__closure__ or () if _is_full(cell)]
    return list(vars(value).values()) if _is_plain_object(value) else []


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _is_plain_object(value: Any) -> bool:
    """An object of a class that the model's author wrote."""
    package = type(value).__module__.partition(".")[0]
    written = package not in {*sys.stdlib_module_names, "torch", "numpy"}
    return written and hasattr(value, "__dict__") and not isinstance(value, type)


def _forgotten(held: nn.Module | Tensor, known: set[int]) -> list[nn.Module | Tensor]:
    """What of a held module or tensor is trained, or has a mode, and is not known."""
    if isinstance(held, Tensor):
        trains = held.is_leaf and held.requires_grad
        return [held] if trains and id(held) not in known else []
    if id(held) in known:
        return []
    parameters = [one for one in held.parameters() if one.requires_grad and id(one) not in known]
    modules = [one for one in held.modules() if id(one) not in known and _needs_mode(one)]
    return [*parameters, *modules]


def _needs_mode(module: nn.Module) -> bool:
    return module.training and isinstance(module, _NormBase | _DropoutNd)

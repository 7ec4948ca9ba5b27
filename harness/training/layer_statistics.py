"""What layers put out and what gradient reaches them, as training goes on: table `layers`.

Looking changes nothing: gradients stay where they are, all that a model holds is put back, and
training seeds itself anew in every fold and epoch.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.results.tables import LayerRow
from harness.training.backends.fold_run import FoldRun
from harness.training.batches import gather
from harness.training.module_state import undisturbed

MOST_EXAMPLES = 128
MARGIN = 0.05  # an output this close to its activation's limit counts as saturated

Row = dict[str, Any]
Observe = Callable[[int, Sequence[FoldRun]], None]

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_REPEAT_THEIR_INPUT = (nn.Identity, nn.Flatten, nn.Unflatten, *_DROPOUTS)
_LIMITS: tuple[tuple[type[nn.Module], tuple[float, ...], float], ...] = (
    (nn.Sigmoid, (0.0, 1.0), MARGIN),
    (nn.Tanh, (-1.0, 1.0), MARGIN),
    (nn.ReLU, (0.0,), 0.0),
)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer as the forward pass met it. Its output is kept for its gradient."""

    name: str
    module: nn.Module
    output: Tensor
    mean: float
    std: float
    saturated_share: float | None


def layer_observer(rows: list[Row]) -> Observe:
    """For `train_folds`: appends to `rows` each layer of each fold, before and after each epoch."""

    def observe(epoch: int, runs: Sequence[FoldRun]) -> None:
        for run in runs:
            inputs, targets = _fixed_batch(run)
            fold = run.fold
            rows.extend(
                replace(layer, repeat=fold.repeat, fold=fold.fold, epoch=epoch).cells()
                for layer in layer_rows(run.model, inputs, targets)
            )

    return observe


def layer_rows(model: nn.Module, inputs: Tensor, targets: Tensor) -> list[LayerRow]:
    """Return one row per layer that the forward pass meets, in its order.

    A layer is a module without children that gives a tensor of floats; those that only repeat
    their input (dropout, flatten) are left out. inputs (batch, *input_shape), targets (batch,):
    the pass is one of training, so batch normalisation takes the batch's own statistics, but
    without dropout. saturated_share: outputs within 0.05 of the limits of a sigmoid or tanh, zeros
    of a ReLU. gradient_norm: of the mean cross-entropy with respect to the layer's weights without
    biases, or to its outputs where it has none; None where they are frozen.
    """
    with _undisturbed(model), torch.enable_grad():
        layers: list[_Layer] = []
        with _listening(model, layers):
            loss = F.cross_entropy(model(inputs), targets)
        gradients = _gradient_norms(loss, layers)
    return [
        LayerRow(
            position=position,
            layer=layer.name,
            module=type(layer.module).__name__,
            activation_mean=layer.mean,
            activation_std=layer.std,
            saturated_share=layer.saturated_share,
            gradient_norm=gradient,
            weight_norm=_norm([weight.detach() for weight in _weights(layer.module)]),
        )
        for position, (layer, gradient) in enumerate(zip(layers, gradients, strict=True), start=1)
    ]


def _fixed_batch(run: FoldRun) -> tuple[Tensor, Tensor]:
    """The same train examples in every epoch, spread evenly so that classes mix."""
    train = run.indices["train"]
    size = min(MOST_EXAMPLES, max(2, run.job.training.batch_size), len(train))
    positions = torch.linspace(0, len(train) - 1, steps=size).long().to(train.device)
    indices = train.index_select(0, positions)
    return gather(run.source, indices), run.source.targets.index_select(0, indices)


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Without dropout, with batch statistics; afterwards all is as before."""
    with undisturbed(model):
        model.eval()
        for module in model.modules():
            if isinstance(module, _BATCH_NORMS):
                module.training = True
        yield


@contextmanager
def _listening(model: nn.Module, layers: list[_Layer]) -> Iterator[None]:
    """Notes every layer's output as it comes, before a later one may write into it."""
    names = {module: name for name, module in model.named_modules() if _is_leaf(module)}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        known = any(layer.module is module for layer in layers)
        if isinstance(first, Tensor) and first.is_floating_point() and not known:
            layers.append(_noted(names[module], module, first))

    handles = [module.register_forward_hook(note) for module in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_leaf(module: nn.Module) -> bool:
    return next(module.children(), None) is None and not isinstance(module, _REPEAT_THEIR_INPUT)


def _noted(name: str, module: nn.Module, output: Tensor) -> _Layer:
    values = output.detach().float()
    return _Layer(
        name=name,
        module=module,
        output=output,
        mean=values.mean().item(),
        std=values.std(correction=0).item(),
        saturated_share=_saturated_share(module, values),
    )


def _saturated_share(module: nn.Module, outputs: Tensor) -> float | None:
    for kind, limits, margin in _LIMITS:
        if isinstance(module, kind):
            near = [(outputs - limit).abs() <= margin for limit in limits]
            return torch.stack(near).any(0).float().mean().item()
    return None


def _gradient_norms(loss: Tensor, layers: Sequence[_Layer]) -> list[float | None]:
    """Of each layer; one backward pass, and no parameter's own gradient is touched."""
    sources = [_weights(layer.module) or [layer.output] for layer in layers]
    asked = [tensor for group in sources for tensor in group if tensor.requires_grad]
    found = torch.autograd.grad(loss, asked, allow_unused=True) if asked else ()
    gradients = dict(zip(map(id, asked), found, strict=True))
    return [
        _norm([g for tensor in group if (g := gradients.get(id(tensor))) is not None])
        for group in sources
    ]


def _weights(module: nn.Module) -> list[Tensor]:
    """The module's own parameters but biases."""
    own = module.named_parameters(recurse=False)
    return [parameter for name, parameter in own if "bias" not in name]


def _norm(tensors: Sequence[Tensor]) -> float | None:
    """Euclidean, over all of them; None where there are none."""
    if not tensors:
        return None
    norm: float = torch.stack([tensor.float().norm() for tensor in tensors]).norm().item()
    return norm

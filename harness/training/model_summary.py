"""What a model is before it is trained: parameters, multiply-adds, layers, and whether it fits.

Models are built on the meta device, without memory or arithmetic, and on the CPU where a model
can't be built there. Multiply-adds come from torch's flop counter, attention included. torchinfo
leaves attention out and counts a dense layer on tokens once (12 times too few for a small vision
transformer), so its figure serves only to be laid beside published ones.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.training.torch_internals import without_compiler
from harness.user_code_errors import USER_CODE_ERRORS, message

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    Build = Callable[..., nn.Module]
    Make = Callable[[str], nn.Module]  # device -> model
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


CHECK_BATCH_SIZE = 2  # one example would hide a model that drops the batch


@dataclass(frozen=True)
class ModelCounts:
    """Size and cost of a model.

    n_parameters: shared ones once; n_parameters_trainable: those that require a gradient.
    mult_adds: of one example, forward, evaluation mode; None where they can't be counted.
    """

    n_parameters: int
    n_parameters_trainable: int
    mult_adds: int | None


@dataclass(frozen=True)
class Layer:
    """One module that ran. Children are not counted again, so that every column adds up.

    name: dotted, empty for the model itself; kind: class name; output_shape: with the batch.
    mult_adds: of the whole batch. memory_mb: outputs and their gradients in 1e6 bytes, only where
        there are parameters (torchinfo's reckoning).
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    n_parameters: int
    mult_adds: int
    memory_mb: float


@dataclass(frozen=True)
class TorchinfoSummary:
    """The foot of torchinfo's table, for figures published from it; MB are 1e6 bytes."""

    mult_adds: int
    input_mb: float
    forward_backward_mb: float
    params_mb: float

    @property
    def total_mb(self) -> float:
        """Estimated total size."""
        return self.input_mb + self.forward_backward_mb + self.params_mb


def count(
    build: "Build",
    *,
    arguments: Mapping[str, Any],
    input_shape: Sequence[int],
    num_classes: int,
    input_dtype: str = "float32",
) -> ModelCounts:
    """Return parameters and multiply-adds of `build(input_shape=, num_classes=, **arguments)`.

    input_dtype: what the model receives, `float32` or `int64`. Raises what `build` raises.
    """
    make = partial(_build, build, arguments, input_shape, num_classes)
    model = _on_meta(make)
    mult_adds = _mult_adds(model, _inputs(1, input_shape, input_dtype, "meta"))
    if mult_adds is None:
        model = make("cpu")
        mult_adds = _mult_adds(model, _inputs(1, input_shape, input_dtype, "cpu"))
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return ModelCounts(
        n_parameters=sum(size for size, _ in sizes),
        n_parameters_trainable=sum(size for size, trainable in sizes if trainable),
        mult_adds=mult_adds,
    )


def build_on_meta(
    build: "Build", *, arguments: Mapping[str, Any], input_shape: Sequence[int], num_classes: int
) -> "nn.Module":
    """Build the model without memory, in evaluation mode: all its tensors are on the meta device.

    What only the meta device refuses is built on the CPU and moved. Random generators are left as
    they were. Raises what `build` raises on the CPU.
    """
    return _on_meta(partial(_build, build, arguments, input_shape, num_classes))


def check_model(
    build: "Build",
    *,
    arguments: Mapping[str, Any],
    input_shape: Sequence[int],
    num_classes: int,
    input_dtype: str = "float32",
) -> str | None:
    """Return what makes this configuration impossible, or None.

    The text of a ValueError from `build`, or the wrong shape of the output. Anything else that a
    model raises is left to its trial, where it becomes a failed row.
    """
    make = partial(_build, build, arguments, input_shape, num_classes)
    try:
        model = _on_meta(make)
    except ValueError as error:
        return message(error) or "ValueError without a text"
    except USER_CODE_ERRORS:
        return None
    try:
        logits = _forward(model, _inputs(CHECK_BATCH_SIZE, input_shape, input_dtype, "meta"))
    except USER_CODE_ERRORS:
        return None
    return wrong_output(logits, batch_size=CHECK_BATCH_SIZE, num_classes=num_classes)


def layer_table(
    build: "Build",
    *,
    arguments: Mapping[str, Any],
    input_shape: Sequence[int],
    num_classes: int,
    input_dtype: str = "float32",
    batch_size: int = 1,
) -> list[Layer]:
    """Return one row for every module that runs, in the order in which they run, the model first.

    Raises what `build` or the forward pass raises.
    """
    make = partial(_build, build, arguments, input_shape, num_classes)
    model, inputs, statistics = _torchinfo(
        make, partial(_inputs, batch_size, input_shape, input_dtype)
    )
    mult_adds = _own_mult_adds(model, inputs)
    return [_layer(info, mult_adds) for info in statistics.summary_list if info.executed]


def torchinfo_summary(
    build: "Build",
    *,
    arguments: Mapping[str, Any],
    input_shape: Sequence[int],
    num_classes: int,
    input_dtype: str = "float32",
    batch_size: int = 32,
) -> TorchinfoSummary:
    """Return torchinfo's totals of a batch, as reports print them; raise what the model raises."""
    make = partial(_build, build, arguments, input_shape, num_classes)
    _, _, statistics = _torchinfo(make, partial(_inputs, batch_size, input_shape, input_dtype))
    return TorchinfoSummary(
        mult_adds=statistics.total_mult_adds,
        input_mb=statistics.total_input / 1e6,
        forward_backward_mb=statistics.total_output_bytes / 1e6,
        params_mb=statistics.total_param_bytes / 1e6,
    )


def _build(
    build: "Build",
    arguments: Mapping[str, Any],
    input_shape: Sequence[int],
    num_classes: int,
    device: str,
) -> "nn.Module":
    import torch

    with without_compiler(), torch.random.fork_rng(devices=[]), torch.device(device):
        model = build(input_shape=tuple(input_shape), num_classes=num_classes, **arguments)
    return model.eval()


def _on_meta(make: "Make") -> "nn.Module":
    try:
        model = make("meta")
    except Exception:
        model = make("cpu")
    return model.to("meta")


def _inputs(
    batch_size: int, input_shape: Sequence[int], input_dtype: str, device: str
) -> "torch.Tensor":
    import torch

    dtype = {"float32": torch.float32, "int64": torch.int64}[input_dtype]
    return torch.zeros(batch_size, *input_shape, dtype=dtype, device=device)


def _forward(model: "nn.Module", inputs: "torch.Tensor") -> Any:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    # On the CPU the flop counter sees attention only where it is plain matrix products.
    plain_attention = sdpa_kernel(SDPBackend.MATH)
    with without_compiler(), torch.no_grad(), torch.random.fork_rng(devices=[]), plain_attention:
        return model(inputs)


def _count_flops(model: "nn.Module", inputs: "torch.Tensor") -> "FlopCounterMode":
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        _forward(model, inputs)
    return counter


def _mult_adds(model: "nn.Module", inputs: "torch.Tensor") -> int | None:
    try:
        return int(_count_flops(model, inputs).get_total_flops()) // 2
    except Exception:
        return None


def _own_mult_adds(model: "nn.Module", inputs: "torch.Tensor") -> dict[int, int]:
    """id of a module -> its multiply-adds without those of the modules below it."""
    root = type(model).__name__  # how the counter names the model; `root.` precedes the others
    counts = _count_flops(model, inputs).get_flop_counts()
    total = {name: sum(ops.values()) // 2 for name, ops in counts.items() if name != "Global"}
    own = dict(total)
    for name, mult_adds in total.items():
        above = name.rpartition(".")[0]
        while above and above not in total:  # containers that never run, such as ModuleList
            above = above.rpartition(".")[0]
        if above:
            own[above] -= mult_adds
    ids = {name: id(module) for name, module in model.named_modules(remove_duplicate=False)}
    by_id = Counter[int]()
    for name, mult_adds in own.items():
        by_id[ids[name.removeprefix(root).removeprefix(".")]] += mult_adds
    return by_id


def _torchinfo(
    make: "Make", inputs_on: "Callable[[str], torch.Tensor]"
) -> tuple["nn.Module", "torch.Tensor", Any]:
    try:
        model, inputs = _on_meta(make), inputs_on("meta")
        return model, inputs, _statistics(model, inputs)
    except Exception:
        model, inputs = make("cpu"), inputs_on("cpu")
        return model, inputs, _statistics(model, inputs)


def _statistics(model: "nn.Module", inputs: "torch.Tensor") -> Any:
    import torch
    import torchinfo

    with torch.random.fork_rng(devices=[]):
        return torchinfo.summary(
            model, input_data=[inputs], device=inputs.device, mode="eval", depth=99, verbose=0
        )


def _layer(info: Any, mult_adds: Mapping[int, int]) -> Layer:
    n_parameters = info.num_params if info.is_leaf_layer else info.leftover_params()
    again = info.is_recursive  # ran before and was counted there
    return Layer(
        name=_dotted_name(info),
        kind=info.class_name,
        output_shape=tuple(info.output_size),
        n_parameters=0 if again else int(n_parameters),
        mult_adds=0 if again else mult_adds.get(info.layer_id, 0),
        memory_mb=2 * info.output_bytes / 1e6 if info.is_leaf_layer and info.num_params else 0.0,
    )


def _dotted_name(info: Any) -> str:
    names: list[str] = []
    while info.parent_info is not None:
        names.insert(0, info.var_name)
        info = info.parent_info
    return ".".join(names)


_MOST_NAMED = 5  # keys of a dict


def wrong_output(
    output: object, *, batch_size: int, num_classes: int, device: "torch.device | None" = None
) -> str | None:
    """Return one sentence on what a forward pass gave instead of logits; None where it gave them.

    device: where the logits must lie; None: anywhere.
    """
    import torch

    expected = (batch_size, num_classes)
    if not isinstance(output, torch.Tensor):
        found = _named(output)
    elif tuple(output.shape) != expected:
        found = f"shape {tuple(output.shape)}"
    elif not output.is_floating_point():
        found = f"numbers of type {output.dtype}, which have no gradient,"
    elif device is not None and output.device.type != device.type:
        found = f"a tensor on {output.device}, though its inputs lie on {device},"
    else:
        return None
    examples = "1 example" if batch_size == 1 else f"{batch_size} examples"
    return f"forward gives {found} for {examples}, not logits {expected}"


def _named(output: object) -> str:
    """The type, with what a tuple or a dict holds."""
    name = type(output).__name__
    if isinstance(output, Mapping):
        keys = [str(key)[:40] for key in output]
        more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
        return f"{name} with {', '.join(keys[:_MOST_NAMED]) or 'nothing'}{more}"
    if isinstance(output, tuple | list):
        return f"{name} of {len(output)}"
    return "None" if output is None else name

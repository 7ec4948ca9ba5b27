"""Whether the models of some folds can be trained as one, tried before anything depends on it."""

import bdb
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from harness.data.memory import available_memory_bytes
from harness.data.paths import available_cores
from harness.training.backends.batched.loop_comparison import other_training
from harness.training.backends.batched.model_ensemble import (
    Stack,
    Unstackable,
    restored_buffers,
    stack_of,
)
from harness.training.backends.batched.side_effects import changed, outside
from harness.training.backends.batched.step_recording import NotRecordable, recorded
from harness.training.backends.batched.vectorized import step_inputs, training_step
from harness.training.backends.fold_run import FoldRun, epoch_batches, start_folds
from harness.training.torch_internals import is_stacked, tensor_accessor
from harness.training.types import TrainingJob

TRIED = 2  # examples, so that batch normalisation has something to normalise by
MEMORY_SHARE = 0.5  # of what is free here, divided by how many trials compute beside each other
_MIB = 2**20

# A model that does one of these its own way trains in a way of its own.
_OF_TORCH = (
    "train",
    "eval",
    "parameters",
    "named_parameters",
    "buffers",
    "named_buffers",
    "modules",
    "named_modules",
    "children",
    "named_children",
    "zero_grad",
    "requires_grad_",
    "__call__",
)

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_GLOBAL_HOOKS = tuple(f"_global{name}" for name in _HOOKS)
_TENSOR_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


def obstacle(job: TrainingJob) -> str | None:
    """In words, what keeps the job's folds from being one model; None where nothing does.

    Raises what `build` and `attention` raise.
    """
    runs = start_folds(job)
    try:
        text = _forbidden(runs) or _changes_more(runs)
        return text or other_training(job)
    except bdb.BdbQuit:  # leaving the debugger ends the run
        raise
    except Exception as error:  # operators without a batching rule raise whatever they like
        lines = str(error).strip().splitlines() or [""]
        name = "" if isinstance(error, Unstackable) else f"{type(error).__name__}: "
        return f"{name}{lines[0][:200]}"


def _forbidden(runs: Sequence[FoldRun]) -> str | None:
    """What a comparison of some steps might not show."""
    if len({str(run.model) for run in runs}) > 1:
        return "the folds' models differ"
    return _sharing(runs) or next(filter(None, map(_hooked, _parts(runs[0].model))), None)


def _parts(model: nn.Module) -> Iterator[nn.Module | Tensor]:
    yield from model.modules()
    yield from model.parameters()
    yield from model.buffers()


def _hooked(part: nn.Module | Tensor) -> str | None:
    """Hooks and methods that a batched model has no place for."""
    if isinstance(part, Tensor):
        hooked = any(getattr(part, name, None) for name in _TENSOR_HOOKS)
        return "a hook on a parameter's gradient" if hooked else None
    name = type(part).__name__
    if any(getattr(torch_module, hooks, None) for hooks in _GLOBAL_HOOKS):
        return "a hook on every module"
    if any(getattr(part, hooks, None) for hooks in _HOOKS):
        return f"a hook on a module ({name})"
    for method in _OF_TORCH:
        own = vars(part).get(method) or getattr(type(part), method)
        if own is not getattr(nn.Module, method):
            return f"{name} has a `{method}` of its own"
    for tensor in part._parameters.values():
        if tensor is not None and type(tensor) is not nn.Parameter:
            return f"{name} has parameters of its own kind ({type(tensor).__name__})"
    return None


def _sharing(runs: Sequence[FoldRun]) -> str | None:
    """Stacked, tensors of one memory would become several."""
    seen: set[int] = set()
    for place, run in enumerate(runs):
        own = [*run.model.parameters(), *run.model.buffers()]
        memories = [one.untyped_storage().data_ptr() for one in own if one.numel()]
        if len(memories) > len(set(memories)):
            return "two tensors of the model share their memory"
        if seen & set(memories):
            return f"the model of fold {place + 1} shares memory with an earlier one"
        seen |= set(memories)
    return None


class _Watch(TorchFunctionMode):
    """Refuses what a forward pass does that only a model alone can."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self._stacked = {id(one) for one in stack.trainable}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _HOOKING:
            raise Unstackable("the forward pass puts a hook on a gradient")
        if func in _FREEZING:
            raise Unstackable("the forward pass changes what is trained")
        if func in _ASKING:
            raise Unstackable("the forward pass asks what is trained, which stacked nothing seems")
        if any(map(self._is_foreign, tree_leaves((args, kwargs)))):
            raise Unstackable("the model uses a trained tensor that is none of its parameters")
        return func(*args, **kwargs)

    def _is_foreign(self, value: Any) -> bool:
        return (
            isinstance(value, Tensor)
            and id(value) not in self._stacked
            and not is_stacked(value)
            and value.is_leaf
            and value.requires_grad
        )


_HOOKING: tuple[Any, ...] = (
    Tensor.register_hook,
    Tensor.register_post_accumulate_grad_hook,
    Tensor.retain_grad,
    tensor_accessor("grad_fn").__get__,
)
_FREEZING = (Tensor.requires_grad_, tensor_accessor("requires_grad").__set__)
_ASKING = tuple(tensor_accessor(name).__get__ for name in ("requires_grad", "is_leaf"))


def _changes_more(runs: list[FoldRun]) -> str | None:
    """Whether a step changes more than parameters and buffers, or needs more memory than is free.

    Chance of the model's own would be other chance than in the loop; attributes would be one
    model's instead of each fold's.
    """
    stack = stack_of(runs)
    with _Watch(stack):
        tensors = _small_step(stack)
    with restored_buffers(stack):
        with _Watch(stack):
            training_step(stack, tensors)  # may keep something for the others, as positions
        before = outside(stack.template)
        training_step(stack, tensors)
    name = changed(before, outside(stack.template))
    if name is not None:
        return f"a training step changes {name}"
    name = _changed_by_evaluation(runs[0])
    if name is not None:
        return f"an evaluation changes {name}"
    needed, free = _step_bytes(stack, tensors), _free_bytes(runs[0])
    if free is not None and needed > free:
        return f"that would take {needed // _MIB:,} MiB, {free // _MIB:,} MiB are free"
    return None


def _changed_by_evaluation(run: FoldRun) -> str | None:
    """Steps of the batched model would not know of it."""
    inputs = next(iter(epoch_batches(run, 1)))[0][:TRIED]
    with torch.no_grad():
        run.model.eval()(inputs.clone())  # may keep something for the others
        before = outside(run.model)
        run.model(inputs)
    return changed(before, outside(run.model))


def _small_step(stack: Stack) -> list[Tensor]:
    batches = [next(iter(epoch_batches(run, 1))) for run in stack.runs]
    inputs, targets = (
        torch.stack([one[:TRIED] for one in same]) for same in zip(*batches, strict=True)
    )
    device = stack.runs[0].job.device
    generators = [torch.Generator(device) for _ in stack.runs]
    return step_inputs(stack, inputs, targets, generators)


def _step_bytes(stack: Stack, tensors: Sequence[Tensor]) -> int:
    """Bytes of a training step, at most: those of a small one, times how much larger it is."""
    with restored_buffers(stack):
        try:
            n_bytes = recorded(lambda given: training_step(stack, given), tensors).n_bytes()
        except NotRecordable:
            return 0  # unknown
    fixed = sum(one.untyped_storage().nbytes() for one in (*stack.parameters, *stack.buffers))
    growing = max(0, n_bytes - 2 * fixed)  # gradients are as large as the weights
    size = max(1, min(stack.runs[0].job.training.batch_size, stack.runs[0].n_examples))
    return 2 * fixed + growing * size // TRIED


def _free_bytes(run: FoldRun) -> int | None:
    device = run.job.device
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return int(MEMORY_SHARE * free)
    free_here = available_memory_bytes()
    if free_here is None:
        return None
    trials = max(1, available_cores() // torch.get_num_threads())
    return int(MEMORY_SHARE * free_here / trials)

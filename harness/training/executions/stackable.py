"""Whether the models of some folds can be trained as one, tried before anything depends on it."""

import torch
from torch import Tensor

from harness.data.memory import available_memory_bytes
from harness.data.places import available_cores
from harness.training.executions.fold_run import FoldRun, epoch_batches
from harness.training.executions.outside import Outside, changed, outside
from harness.training.executions.recording import NotRecordable, recorded
from harness.training.executions.stack import Stack, Unstackable, call, restored_buffers, stack_of
from harness.training.executions.vectorized import draw_masks, step_inputs, training_step
from harness.training.initial import train_mode

TRIED = 2  # examples, so that batch normalisation has something to normalise by
MEMORY_SHARE = 0.5  # of what is free here, divided by how many trials compute beside each other
_MIB = 2**20


def obstacle(runs: list[FoldRun]) -> str | None:
    """In words, what keeps folds that were just started from being one model; None where nothing
    does. Uses them up."""
    shapes = {str(run.model) for run in runs}
    if len(shapes) > 1:
        return "the folds' models differ"
    try:
        stack = stack_of(runs)
        _check_logits(stack)
        before = outside(stack.template)
        needed = _step_bytes(stack)
        _check_outside(before, outside(stack.template))
    except Exception as error:  # operators without a batching rule raise whatever they like
        text = str(error).strip().splitlines() or [""]
        name = "" if isinstance(error, Unstackable) else f"{type(error).__name__}: "
        return f"{name}{text[0][:200]}"
    free = _free_bytes(runs[0])
    if free is not None and needed > free:
        return f"that would take {needed // _MIB:,} MiB, {free // _MIB:,} MiB are free"
    return _other_in_training(stack)


def _other_in_training(stack: Stack) -> str | None:
    """Whether the first batch's logits, dropout included, are other than each fold's alone."""
    if stack.runs[0].job.device.type == "cuda":
        return None  # dropout's masks are others there
    batches = torch.stack([next(iter(epoch_batches(run, 1)))[0] for run in stack.runs])
    generators = [torch.Generator().manual_seed(1) for _ in stack.runs]
    # with gradients, since torch takes other ways without
    with torch.random.fork_rng(devices=[]), restored_buffers(stack):
        together = call(stack, batches, masks=draw_masks(stack, batches, generators))
    with torch.random.fork_rng(devices=[]), restored_buffers(stack):
        for run, logits, batch in zip(stack.runs, together, batches, strict=True):
            torch.manual_seed(1)
            train_mode(run.model, run.frozen)
            if not _are_close(logits, run.model(batch.clone())):
                return "in training the folds' models give other logits than alone"
    return None


def _check_logits(stack: Stack) -> None:
    """Each fold's logits are those of its own model.

    A model may hold what no parameter or buffer does, such as a tensor that its fold decided.
    """
    batches = [next(iter(epoch_batches(run, 1)))[0][:TRIED] for run in stack.runs]
    modes = {module: module.training for module in stack.template.modules()}
    with torch.no_grad():
        alone = [run.model.eval()(batch) for run, batch in zip(stack.runs, batches, strict=True)]
        stack.template.eval()
        stacked = call(stack, torch.stack(batches), masks=None)
    for module, training in modes.items():
        module.training = training
    if not _are_close(stacked, torch.stack(alone)):
        raise Unstackable("together the folds' models give other logits than alone")


def _are_close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True)


def _check_outside(before: Outside, after: Outside) -> None:
    """A step changes nothing but parameters and buffers, so that playing it back is doing it.

    Chance of the model's own would be other chance than in the loop; attributes would be one
    model's instead of each fold's.
    """
    name = changed(before, after)
    if name is not None:
        raise Unstackable(f"a training step changes {name}")


def _step_bytes(stack: Stack) -> int:
    """Bytes of a training step, at most: those of a small one, times how much larger it is."""
    batches = [next(iter(epoch_batches(run, 1))) for run in stack.runs]
    inputs, targets = (torch.stack(same)[:, :TRIED] for same in zip(*batches, strict=True))
    device = stack.runs[0].job.device
    generators = [torch.Generator(device) for _ in stack.runs]
    with restored_buffers(stack):
        tensors = step_inputs(stack, inputs, targets, generators)
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

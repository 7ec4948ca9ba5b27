"""How exactly a model computes, and torch's compiler, where a benchmark file asks for them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from harness.config.sections import Precision

_COMPUTE_CAPABILITY = (8, 0)  # of the first GPUs that have tf32 and bf16


class Unsupported(Exception):
    """What the file asks for is not to be had on this device; the text says what is."""


def computing(precision: Precision | None, device: torch.device) -> AbstractContextManager[Any]:
    """Return what a forward pass runs in: bf16 mixes precisions as torch's autocast does.

    Weights, gradients and the optimizer stay in float32 whatever the precision.
    """
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def prepare_precision(precision: Precision | None, device: torch.device) -> None:
    """Set what torch keeps for the whole process; None is torch's own choice.

    Torch's own choice on a GPU is tf32 in convolutions and float32 in products.
    Raises Unsupported.
    """
    on_gpu = device.type == "cuda"
    if precision == "tf32" and not on_gpu:
        raise Unsupported("training.precision tf32 needs a GPU; here: float32, bf16")
    if on_gpu and precision in ("tf32", "bf16"):
        _check_capability(precision, torch.cuda.get_device_capability(device))
    if on_gpu:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision in (None, "tf32")


def forget_compiled() -> None:
    """To be called before a trial that compiles.

    Of one function torch compiles eight variants in a process and runs the others uncompiled, so
    that a trial's speed and last digits would depend on the trials before it.
    """
    torch.compiler.reset()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function, which takes its time at the first call of a shape.

    What it draws, dropout's masks for one, is what it would draw uncompiled; not so for RReLU.
    """
    return torch.compile(function, dynamic=False, options={"fallback_random": True})


def _check_capability(precision: str, found: tuple[int, int]) -> None:
    if found < _COMPUTE_CAPABILITY:
        has, needs = (".".join(map(str, one)) for one in (found, _COMPUTE_CAPABILITY))
        text = f"training.precision {precision} needs compute capability {needs}, this GPU has"
        raise Unsupported(f"{text} {has}; here: float32")

"""Whether a precision that is asked for is to be had, before anything starts."""

from collections.abc import Sequence

from harness.config.benchmark import BenchmarkSpec
from harness.engine.resolve import Resolved
from harness.errors import SpecError


def check_precision(
    spec: BenchmarkSpec, configurations: Sequence[Resolved], *, gpus: bool = True
) -> None:
    """Raises SpecError where a configuration asks for tf32 and its trial gets no GPU.

    gpus: whether there is one to be shared; True where that is not known.
    """
    asking = [one for one in configurations if one.config["training"].get("precision") == "tf32"]
    if not asking or (gpus and spec.resources.gpu > 0):
        return
    why = "a trial has one where resources.gpu is above 0" if gpus else "this machine has none"
    problem = spec.problem(
        "training.precision",
        f"tf32 needs a GPU: {why}",
        found="tf32",
        allowed="float32, bf16",
        variant=asking[0].variant,
        value="tf32",
    )
    raise SpecError([problem])


def has_gpu() -> bool:
    """Whether this machine has a GPU that torch can use."""
    import torch

    return torch.cuda.is_available()

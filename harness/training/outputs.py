"""Whether what a model gives is logits: one tensor of numbers, a row for each example."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_MOST_NAMED = 5  # keys of a dict


def wrong_output(
    output: object, *, batch_size: int, num_classes: int, device: "torch.device | None" = None
) -> str | None:
    """One sentence on what a forward pass gave instead of logits; None where it gave them.

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

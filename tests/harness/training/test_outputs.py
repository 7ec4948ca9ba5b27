"""What is no logits is named in one sentence."""

from typing import NamedTuple

import pytest
import torch

from harness.training.outputs import wrong_output

CPU = torch.device("cpu")


class Output(NamedTuple):
    """As torchvision's Inception gives in training."""

    logits: torch.Tensor
    aux_logits: torch.Tensor


def test_logits_of_any_floating_type_are_right() -> None:
    """Also in double and half precision."""
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        logits = torch.zeros(4, 3, dtype=dtype)
        assert wrong_output(logits, batch_size=4, num_classes=3, device=CPU) is None


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ((torch.zeros(4, 3), torch.zeros(4, 8)), "tuple of 2"),
        (Output(torch.zeros(4, 3), torch.zeros(4, 3)), "Output of 2"),
        ({"logits": torch.zeros(4, 3), "hidden": None}, "dict with logits, hidden"),
        (dict.fromkeys("abcdefg"), "dict with a, b, c, d, e and 2 more"),
        (None, "None"),
        ("logits", "str"),
        (torch.zeros(12), "shape (12,)"),
        (torch.zeros(4, 5), "shape (4, 5)"),
        (torch.zeros(4, 3, 1), "shape (4, 3, 1)"),
        (torch.zeros(4, 3).long(), "numbers of type torch.int64, which have no gradient,"),
        (torch.zeros(4, 3).bool(), "numbers of type torch.bool, which have no gradient,"),
        (
            torch.zeros(4, 3, device="meta"),
            "a tensor on meta, though its inputs lie on cpu,",
        ),
    ],
)
def test_what_is_given_instead_is_named(output: object, found: str) -> None:
    """Type, keys, shape, numbers, device: whatever is wrong."""
    text = wrong_output(output, batch_size=4, num_classes=3, device=CPU)
    assert text == f"forward gives {found} for 4 examples, not logits (4, 3)"


def test_without_a_device_any_will_do() -> None:
    """As where a model is looked at without memory."""
    assert wrong_output(torch.zeros(1, 3, device="meta"), batch_size=1, num_classes=3) is None
    assert wrong_output(torch.zeros(3), batch_size=1, num_classes=3) == (
        "forward gives shape (3,) for 1 example, not logits (1, 3)"
    )

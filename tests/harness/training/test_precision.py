"""Precision and the compiler, where a file asks for them."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.training.precision import Unsupported, forget_compiled, prepare_precision
from tests.builders import CPU, build_linear, make_job, make_trial_job, run_unwatched, trained

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
EXECUTIONS = ("loop", "vectorized")


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_bf16_computes_products_in_bf16_and_keeps_weights_in_float32(execution: str) -> None:
    """Training and validation both."""
    seen: set[torch.dtype] = set()

    class Seen(nn.Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            logits = super().forward(inputs)
            seen.add(logits.dtype)
            return logits

    job = make_job(
        build=lambda *, input_shape, num_classes: Seen(input_shape[0], num_classes),
        precision="bf16",
    )
    _, ends = trained(replace(job, execution=execution))
    assert seen == {torch.bfloat16}
    assert {tensor.dtype for tensor in ends[0].state.values()} == {torch.float32}


def test_bf16_is_equal_in_both_ways_but_for_its_rounding() -> None:
    """Eight bits of precision, two epochs of SGD: losses agree to a hundredth."""
    job = make_job(build=build_linear, precision="bf16", optimizer="sgd", lr=0.1)
    (alone, _), (together, _) = (trained(replace(job, execution=name)) for name in EXECUTIONS)
    for epoch, other in zip(alone, together, strict=True):
        losses = [fold.train_loss for fold in epoch.folds]
        assert [fold.train_loss for fold in other.folds] == pytest.approx(losses, rel=1e-2)


def test_tf32_needs_a_graphics_card() -> None:
    """The trial fails with what there is instead."""
    with pytest.raises(Unsupported, match="tf32 needs a GPU; here: float32, bf16"):
        prepare_precision("tf32", CPU)
    row = run_unwatched(make_trial_job(training={"precision": "tf32"})).rows.trial
    assert row["status"] == "failed"
    assert "training.precision tf32 needs a GPU" in row["error"]


@NEEDS_GPU
def test_precision_on_a_graphics_card_is_what_the_file_says() -> None:
    """float32 switches off the tf32 that torch takes for convolutions; None leaves it."""
    for precision, products, convolutions in (
        ("float32", False, False), ("tf32", True, True), (None, False, True)
    ):  # fmt: skip
        prepare_precision(precision, torch.device("cuda"))
        found = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        assert found == (products, convolutions)


@pytest.mark.slow
@pytest.mark.timeout(900)  # the first compiles torch's headers: a minute of a core, or of several
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_compiled_steps_give_the_same_numbers(execution: str) -> None:
    """Of SGD, to rounding, with the same masks of dropout."""
    job = make_job(optimizer="sgd", lr=0.1, model={"dropout": 0.3})
    job = replace(job, execution=execution)
    compiled = replace(job, training=job.training.model_copy(update={"compile": True}))
    (plain, _), (fast, _) = trained(job), trained(compiled)
    for epoch, other in zip(plain, fast, strict=True):
        losses = [fold.train_loss for fold in epoch.folds]
        assert [fold.train_loss for fold in other.folds] == pytest.approx(losses, rel=1e-4)


@pytest.mark.slow
def test_a_trial_is_compiled_whatever_was_compiled_before_it() -> None:
    """Torch stops at eight variants of one function: four values in two shapes each."""
    seen: list[int] = []

    class Scaled(nn.Module):
        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs * self.by

    def variants(by: int) -> int:
        before = len(seen)
        for n in (8, 5):
            torch.compile(Scaled(by), dynamic=False, backend=backend)(torch.ones(n, 4))
        return len(seen) - before

    def backend(graph: torch.fx.GraphModule, inputs: object) -> object:
        seen.append(1)
        return graph.forward

    forget_compiled()
    assert [variants(by) for by in range(5)] == [2, 2, 2, 2, 0]
    forget_compiled()
    assert variants(5) == 2

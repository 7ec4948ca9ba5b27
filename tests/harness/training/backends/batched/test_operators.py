"""Operators that stack: the same numbers, and the same random numbers, as each model alone."""

import pytest
import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional as F

from harness.training.backends.batched.operators import SHORT_SEQUENCE, Mask, Stackable


def stacked(function, inputs, masks=None, mode=None):
    def one(x, drawn):
        with mode or Stackable(None if masks is None else drawn):
            return function(x)

    return vmap(one, randomness="different")(inputs, list(masks or ()))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Dropout(0.3), (4, 5)), (nn.Dropout1d(0.5), (4, 6, 3)), (nn.Dropout2d(0.5), (4, 6, 3, 2))],
    ids=["elements", "channels", "maps"],
)
def test_each_fold_drops_what_it_would_drop_alone(layer, shape) -> None:
    """Generators of the seeds that torch's own dropout would be given draw the same masks."""
    inputs = torch.randn(3, *shape)
    mode = Stackable()
    stacked(layer, inputs, mode=mode)
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    masks = [mask.draw(generators) for mask in mode.asked]
    together = stacked(layer, inputs, masks)
    for seed in range(3):
        torch.manual_seed(seed)
        assert torch.equal(together[seed], layer(inputs[seed]))


@pytest.mark.parametrize("tokens", [4, SHORT_SEQUENCE + 1])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}], ids=str)
def test_attention_drops_what_it_would_drop_alone(tokens, options) -> None:
    """Its `dropout_p` too."""
    parts = torch.randn(3, 2, 2, tokens, 6, dtype=torch.float64)

    def attend(x):
        return F.scaled_dot_product_attention(x, x + 1, x * 2, dropout_p=0.4, **options)

    mode = Stackable()
    stacked(attend, parts, mode=mode)
    masks = [mask.draw([torch.Generator().manual_seed(k) for k in range(3)]) for mask in mode.asked]
    together = stacked(attend, parts, masks)
    for seed in range(3):
        torch.manual_seed(seed)
        torch.testing.assert_close(together[seed], attend(parts[seed]))


def test_attention_takes_a_mask() -> None:
    """Of truth values, one for all examples."""
    parts, mask = torch.randn(3, 2, 2, 5, 4), torch.ones(5, 5, dtype=torch.bool).tril()

    def attend(x):
        return F.scaled_dot_product_attention(x, x, x, attn_mask=mask)

    alone = torch.stack([attend(one) for one in parts])
    torch.testing.assert_close(stacked(attend, parts), alone)


def test_masks_are_drawn_in_the_order_of_memory() -> None:
    """As torch's dropout draws them for a transposed input."""
    test_each_fold_drops_what_it_would_drop_alone(
        lambda x: F.dropout(x.permute(2, 0, 1), 0.3), (4, 5, 6)
    )


def test_masks_are_asked_for_in_the_order_of_the_dropouts() -> None:
    """What is not dropped asks for nothing."""
    model = nn.Sequential(nn.Dropout(0.1), nn.Dropout(0.0), nn.Linear(5, 2), nn.Dropout(0.2))
    mode = Stackable()
    stacked(model, torch.randn(3, 4, 5), mode=mode)
    assert [(mask.p, mask.shape) for mask in mode.asked] == [(0.1, (4, 5)), (0.2, (4, 2))]
    stacked(model.eval(), torch.randn(3, 4, 5), mode=mode)
    assert len(mode.asked) == 2


def test_a_mask_keeps_the_mean() -> None:
    """A quarter is zero, the others are 4/3."""
    mask = Mask((100_000,), (0,), 0.25, torch.float32, torch.device("cpu"))
    drawn = mask.draw([torch.Generator().manual_seed(0)])
    assert drawn.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert drawn.mean().item() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("tokens", [SHORT_SEQUENCE // 8, SHORT_SEQUENCE + 1])
@pytest.mark.parametrize("options", [{}, {"scale": 0.1}, {"is_causal": True}], ids=str)
def test_attention_is_torchs(tokens, options) -> None:
    """Short and long sequences, with and without options, gradients included."""
    parts = torch.randn(3, 2, 4, 2, tokens, 8, dtype=torch.float64, requires_grad=True)

    def attend(x):
        return F.scaled_dot_product_attention(*x.unbind(0), **options)

    together, alone = stacked(attend, parts.transpose(0, 1)), None
    alone = torch.stack([attend(one) for one in parts.transpose(0, 1)])
    torch.testing.assert_close(together, alone)
    gradients = [torch.autograd.grad((one**2).sum(), parts)[0] for one in (together, alone)]
    torch.testing.assert_close(*gradients)

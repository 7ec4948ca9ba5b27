"""Attention over few tokens beside its formula, and who takes which way."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from harness.training.fast_operators import use_fast_operators
from harness.training.short_attention import (
    FEW,
    NARROW,
    SHORT,
    attend,
    is_short,
    product,
)

Shape = tuple[int, ...]


def tensors(*shapes: Shape, seed: int = 0) -> list[Tensor]:
    """Of doubles, which want gradients."""
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [one.requires_grad_() for one in made]


def formula(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    return (query @ key.transpose(-2, -1) * scale).softmax(-1) @ value


@given(
    batch=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    queries=st.integers(1, 30),
    keys=st.integers(1, 30),
    widths=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    scale=st.sampled_from([None, 0.3]),
)
def test_outputs_and_gradients_are_the_formulas(
    batch: list[int], queries: int, keys: int, widths: tuple[int, int], scale: float | None
) -> None:
    """Of every shape: below and above what torch multiplies number by number, narrow and wide."""
    width, value_width = widths
    given = tensors(
        (*batch, queries, width), (*batch, keys, width), (*batch, keys, value_width), seed=keys
    )
    expected = formula(*given, scale=width**-0.5 if scale is None else scale)
    mixed = attend(*given, scale=scale)
    weights = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).view_as(expected)

    torch.testing.assert_close(mixed, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad((mixed * weights).sum(), given),
        torch.autograd.grad((expected * weights).sum(), given),
        rtol=1e-9,
        atol=1e-11,
    )


@pytest.mark.parametrize("rows", [1, 5, NARROW, 40])
@pytest.mark.parametrize("inner", [1, 5, 40])
@pytest.mark.parametrize("columns", [1, 5, NARROW, 40])
@pytest.mark.parametrize("turned", [False, True])
def test_a_product_is_torchs_whatever_its_layout(
    rows: int, inner: int, columns: int, turned: bool
) -> None:
    left, right = tensors((3, rows, inner), (3, inner, columns))
    if turned:
        left, right = (one.mT.contiguous().mT for one in (left, right))
    torch.testing.assert_close(product(left, right, scale=2.0), 2 * left @ right)
    torch.testing.assert_close(product(left, right), left @ right)


def test_heads_split_off_one_projection_get_their_gradients() -> None:
    """As models call it: query, key and value lie side by side in one tensor."""
    (projected,) = tensors((2, 7, 3, 4, 8))  # batch, tokens, which, heads, width
    heads = projected.permute(2, 0, 3, 1, 4).unbind(0)
    found = torch.autograd.grad(attend(*heads, scale=None).square().sum(), projected)
    expected = torch.autograd.grad(formula(*heads, scale=8**-0.5).square().sum(), projected)
    torch.testing.assert_close(found, expected)


def called(shape: Shape, **options: object) -> str:
    """Who differentiates attention that torch's function is asked for."""
    use_fast_operators()
    given = [one.detach().float().requires_grad_() for one in tensors(shape, shape, shape)]
    found: Callable[..., Tensor] = F.scaled_dot_product_attention
    return type(found(*given, **options).grad_fn).__name__


def test_torchs_function_takes_this_way_for_few_tokens() -> None:
    assert called((2, 4, SHORT, 8)) == "_AttentionBackward"


@pytest.mark.parametrize(
    ("tokens", "options"),
    [
        (SHORT + 1, {}),
        (2, {}),
        (8, {"is_causal": True}),
        (8, {"attn_mask": torch.ones(8, 8, dtype=torch.bool)}),
        (8, {"dropout_p": 0.5}),
        (8, {"enable_gqa": True}),
    ],
    ids=["long", "two tokens", "causal", "mask", "dropout", "groups"],
)
def test_all_else_stays_torchs_own(tokens: int, options: dict[str, object]) -> None:
    assert called((2, 4, tokens, 8), **options) != "_AttentionBackward"


def test_without_gradients_torchs_kernel_is_left_earlier() -> None:
    few, more = torch.ones(2, 4, FEW - 1, 8), torch.ones(2, 4, FEW, 8)
    assert is_short(few, few, few)
    assert not is_short(more, more, more)


def test_attention_under_autocast_is_as_narrow_as_asked_for() -> None:
    use_fast_operators()
    given = [torch.randn(2, 4, 8, 8) for _ in range(3)]
    with torch.autocast("cpu", torch.bfloat16):
        assert F.scaled_dot_product_attention(*given).dtype is torch.bfloat16


def shown(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value)


def test_a_gradient_can_be_differentiated_again() -> None:
    """As a penalty on gradients does; beside the formula, with respect to all three."""
    use_fast_operators()
    given = tensors((2, 8, 5), (2, 9, 5), (2, 9, 4))

    def penalty(attention: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        first = torch.autograd.grad((attention(*given) ** 3).sum(), given, create_graph=True)
        return torch.autograd.grad(sum((one**2).sum() for one in first), given)

    assert is_short(*given)
    torch.testing.assert_close(penalty(shown), penalty(lambda *one: formula(*one, scale=5**-0.5)))


@pytest.mark.parametrize(
    "transform", [torch.func.grad, torch.func.jacrev, torch.func.jacfwd, torch.func.hessian]
)
def test_function_transforms_work(transform: Callable[..., Callable[..., Tensor]]) -> None:
    """They can't look into a kernel of ours, so torch's own are taken."""
    use_fast_operators()
    query, key, value = (one.detach() for one in tensors((2, 8, 5), (2, 8, 5), (2, 8, 5)))
    by_kernel = transform(lambda one: (shown(one, key, value) ** 2).sum())(query)
    by_formula = transform(lambda one: (formula(one, key, value, 5**-0.5) ** 2).sum())(query)
    torch.testing.assert_close(by_kernel, by_formula)


def test_gradients_of_each_example_work() -> None:
    """vmap of grad, as per-sample gradients are taken."""
    use_fast_operators()
    given = [one.detach() for one in tensors((3, 2, 8, 5), (3, 2, 8, 5), (3, 2, 8, 5))]
    of_each = torch.vmap(torch.func.grad(lambda *one: (shown(*one) ** 2).sum()))(*given)
    alone = [
        torch.func.grad(lambda *one: (shown(*one) ** 2).sum())(*one)
        for one in zip(*given, strict=True)
    ]
    torch.testing.assert_close(of_each, torch.stack(alone))

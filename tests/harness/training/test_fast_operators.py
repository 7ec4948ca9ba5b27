"""Fast operators against torch's own: pools, masks, and attention over few tokens."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from harness.training.fast_operators import (
    FEW_KEYS,
    FEW_NUMBERS,
    NARROW,
    SHORT,
    attend,
    dense,
    fill_bernoulli,
    is_short,
    max_pool_1d,
    product,
    use_fast_operators,
)

N = 100_000


@pytest.fixture(autouse=True)
def _faster() -> None:
    use_fast_operators()


def windows(x: Tensor, kernel_size: int, stride: int) -> np.ndarray:
    """(..., windows, kernel_size)."""
    slid = np.lib.stride_tricks.sliding_window_view(x.detach().numpy(), kernel_size, axis=-1)
    return slid[..., ::stride, :]


@given(
    length=st.integers(1, 40),
    kernel_size=st.integers(2, 17),
    stride=st.integers(1, 20),
    seed=st.integers(0, 999),
)
def test_a_pool_gives_each_windows_maximum_and_its_first_index(
    length: int, kernel_size: int, stride: int, seed: int
) -> None:
    """Of few different numbers, so that most windows hold their maximum twice."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-2, 3, (2, 3, length + kernel_size), generator=generator).float()

    values, indices = max_pool_1d(x, kernel_size, stride)

    held = windows(x, kernel_size, stride)
    assert (values.numpy() == held.max(-1)).all()
    assert (indices.numpy() == held.argmax(-1) + stride * np.arange(held.shape[-2])).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(("kernel_size", "stride"), [(2, None), (16, 1), (4, 1), (3, 2)])
def test_torchs_pool_is_that_one(dtype: torch.dtype, kernel_size: int, stride: int | None) -> None:
    """Through the function that models call, gradients included."""
    x = torch.randn(2, 5, 101, dtype=dtype, requires_grad=True)

    pooled = F.max_pool1d(x, kernel_size, stride)
    pooled.sum().backward()

    held = windows(x.float(), kernel_size, stride or kernel_size)
    starts = (stride or kernel_size) * np.arange(held.shape[-2])
    expected = np.zeros(x.shape)
    for chosen, row in zip(
        (held.argmax(-1) + starts).reshape(10, -1), expected.reshape(10, -1), strict=True
    ):
        np.add.at(row, chosen, 1)
    assert (pooled.float().detach().numpy() == held.max(-1)).all()
    assert x.grad is not None
    assert (x.grad.float().numpy() == expected).all()


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.max_pool2d(x, 3, stride=1, padding=1),
        lambda x: F.max_pool2d(x.to(memory_format=torch.channels_last), 2),
        lambda x: F.max_pool1d(x.flatten(1, 2), 3, stride=2, padding=1).unflatten(1, x.shape[1:3]),
        lambda x: F.max_pool1d(x.flatten(1, 2), 3, ceil_mode=True).unflatten(1, x.shape[1:3]),
        lambda x: F.max_pool1d(x.flatten(1, 2), 2, dilation=2).unflatten(1, x.shape[1:3]),
    ],
    ids=["2d", "2d padded", "channels last", "padded", "ceil", "dilated"],
)
def test_other_pools_stay_torchs_own(pool: Callable[[Tensor], Tensor]) -> None:
    """Every maximum is one of the inputs, and its gradient reaches exactly that one."""
    x = torch.randn(2, 3, 8, 8, requires_grad=True)

    pooled = pool(x)
    pooled.sum().backward()

    assert x.grad is not None
    assert x.grad.sum() == pooled.numel()
    assert torch.isclose((x.grad * x).sum(), pooled.sum(), atol=1e-4)


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.75, 0.999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_mask_holds_ones_with_the_probability_asked_for(p: float, dtype: torch.dtype) -> None:
    """Within five standard deviations, and nothing but ones and zeros."""
    mask = torch.empty(N + 1, dtype=dtype)  # an odd length

    fill_bernoulli(mask, p, seed=4)

    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert abs(mask.double().mean() - p) < 5 * sqrt(p * (1 - p) / N)


@pytest.mark.parametrize("lag", [1, 2, 3, 64, 4096])
def test_places_of_a_mask_know_nothing_of_each_other(lag: int) -> None:
    """Correlation with the mask shifted, within five standard deviations."""
    mask = torch.empty(N)

    fill_bernoulli(mask, 0.5, seed=11)

    signs = mask * 2 - 1
    assert abs((signs[lag:] * signs[:-lag]).mean()) < 5 / sqrt(N - lag)


def test_masks_follow_from_the_generators_seed_and_differ_along_the_way() -> None:
    """Two of one seed are equal, one after the other are not."""
    first, second = torch.Generator().manual_seed(7), torch.Generator().manual_seed(7)

    drawn = [torch.empty(N).bernoulli_(0.5, generator=first) for _ in range(2)]
    again = [torch.empty(N).bernoulli_(0.5, generator=second) for _ in range(2)]

    assert all(map(torch.equal, drawn, again))
    assert not torch.equal(*drawn)


@pytest.mark.parametrize("n", [10, FEW_NUMBERS, N])
def test_dropout_follows_from_torchs_seed(n: int) -> None:
    """Of few numbers and of many."""
    torch.manual_seed(5)
    first = F.dropout(torch.ones(n), 0.5)
    torch.manual_seed(5)

    assert torch.equal(F.dropout(torch.ones(n), 0.5), first)


def test_masks_are_drawn_in_the_order_of_the_memory() -> None:
    """As torch draws them, so that a transposed input gets the transposed mask."""
    torch.manual_seed(5)
    usual = F.dropout(torch.ones(200, 300), 0.5)
    torch.manual_seed(5)

    assert torch.equal(F.dropout(torch.ones(300, 200).t(), 0.5), usual.reshape(300, 200).t())


@pytest.mark.parametrize(("p", "mean"), [(0.0, 0.0), (1.0, 1.0)])
def test_certainty_stays_torchs_own(p: float, mean: float) -> None:
    assert torch.empty(N).bernoulli_(p).mean() == mean


def test_what_is_no_probability_is_refused_as_ever() -> None:
    with pytest.raises(RuntimeError, match=r"\[0, 1\]"):
        torch.empty(N).bernoulli_(1.5)


def test_gaps_in_memory_keep_what_is_in_them() -> None:
    """Every other number of a longer tensor."""
    whole = torch.full((2 * N,), 9.0)

    whole[::2].bernoulli_(0.5)

    assert (whole[1::2] == 9).all()
    assert (whole[::2] != 9).all()


@pytest.mark.parametrize(
    ("tensor", "is_dense"),
    [
        (torch.empty(2, 3, 4), True),
        (torch.empty(2, 3, 4).permute(2, 0, 1), True),
        (torch.empty(2, 1, 4)[:, :, :3], False),
        (torch.empty(4).expand(2, 4), False),
        (torch.empty(10).as_strided((2, 2, 2), (1, 1, 5)), False),
    ],
    ids=["contiguous", "permuted", "cut", "expanded", "overlapping"],
)
def test_dense_is_what_fills_its_memory(tensor: Tensor, is_dense: bool) -> None:
    assert dense(tensor) is is_dense


@pytest.mark.parametrize("width", [1, 3, 8, 16])
@pytest.mark.parametrize("n_tokens", [5, 300])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.7}], ids=str)
def test_attention_is_what_it_is_written_out(
    width: int, n_tokens: int, options: dict[str, Any]
) -> None:
    """Gradients included."""
    inputs = [
        torch.randn(2, 3, n_tokens, width, dtype=torch.float64, requires_grad=True)
        for _ in range(3)
    ]
    upstream = torch.randn(2, 3, n_tokens, width, dtype=torch.float64)

    fused = F.scaled_dot_product_attention(*inputs, **options)
    written_out = attention(*inputs, **options)

    torch.testing.assert_close(fused, written_out)
    torch.testing.assert_close(
        torch.autograd.grad(fused, inputs, upstream),
        torch.autograd.grad(written_out, inputs, upstream),
    )


@pytest.mark.parametrize("width", [4, 16])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_attention_lies_in_memory_as_its_query_does(width: int, is_transposed: bool) -> None:
    """So that a model's `view` of it works for all widths or for none."""
    drawn = torch.randn(2, 300, 3, width).transpose(1, 2)
    query = drawn if is_transposed else drawn.contiguous()

    assert F.scaled_dot_product_attention(query, query, query).stride() == query.stride()


def attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None = None, is_causal: bool = False
) -> Tensor:
    """As in "Attention is all you need", section 3.2.1."""
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), float("-inf"))
    return scores.softmax(-1) @ value


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
    few, more = torch.ones(2, 4, FEW_KEYS - 1, 8), torch.ones(2, 4, FEW_KEYS, 8)
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

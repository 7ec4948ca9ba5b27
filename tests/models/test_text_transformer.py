"""The text models: padding, given matrices, and what the transformer attends to."""

import numpy as np
import pytest
import torch

from models import bag_of_tokens, text_transformer

TEXTS = torch.tensor([[5, 6, 7, 0, 0], [5, 6, 7, 8, 9], [0, 0, 0, 0, 0]])
MATRIX = np.arange(60, dtype=np.float32).reshape(10, 6) / 60


def build(module=text_transformer, **changes):
    torch.manual_seed(0)
    sizes = {"width": 8, "hidden_dim": 16, "num_heads": 2} if module is text_transformer else {}
    arguments = {"input_shape": (5,), "num_classes": 3, "vocabulary_size": 10, **sizes, **changes}
    return module.build(**arguments).eval()


@pytest.mark.parametrize("module", [text_transformer, bag_of_tokens])
@pytest.mark.parametrize("embedding", [None, MATRIX])
def test_padding_changes_nothing(module, embedding):
    """A text has the same logits whatever length it is padded to; no text at all gives numbers."""
    model = build(module, embedding=embedding)
    if module is text_transformer:
        model.positions.data = model.positions[:1].repeat(5, 1)
    shorter = TEXTS[:1, :3]
    with torch.no_grad():
        padded, whole = model(TEXTS[:1]), model(torch.cat([shorter, torch.zeros(1, 2).long()], 1))
        assert model(TEXTS).isfinite().all()
    torch.testing.assert_close(padded, whole)
    assert not torch.allclose(model(TEXTS[:1]), model(TEXTS[1:2]))


@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_nothing_attends_to_padding(pool):
    """Columns of padding are exactly zero, in float32; CLS stands first and is seen."""
    model = build(pool=pool)
    weights = text_transformer.attention(model, TEXTS)
    first = 1 if pool == "cls" else 0
    assert weights.shape == (3, 2, 2, 5 + first, 5 + first)
    assert (weights[0, ..., first + 3 :] == 0).all()
    assert (weights[1] > 0).all()


def test_attention_is_that_of_the_forward_pass():
    """Logits made from the shown weights of a one-block model are the model's own."""
    model = build(depth=1)
    weights = text_transformer.attention(model, TEXTS)[:, 0]  # (batch, heads, T, T)
    x, is_real = model.embed(TEXTS)
    block = model.blocks[0]
    values = block.attend.qkv(block.norm_attend(x)).chunk(3, dim=-1)[2]
    heads = values.unflatten(-1, (2, 4)).transpose(1, 2)  # (batch, heads, T, 4)
    x = x + block.attend.out((weights @ heads).transpose(1, 2).flatten(start_dim=2))
    x = model.norm(x + block.feed_forward(x))
    n_real = is_real.sum(dim=1, keepdim=True).clamp(min=1)
    pooled = (x * is_real[..., None]).sum(dim=1) / n_real
    torch.testing.assert_close(model(TEXTS), model.head(pooled))


@pytest.mark.parametrize("module", [text_transformer, bag_of_tokens])
@pytest.mark.parametrize("tuned", [True, False])
def test_a_given_matrix_is_where_training_starts(module, tuned):
    """Its rows are the vectors; it is trained further only where that is asked for."""
    model = build(module, embedding=MATRIX, tune_embedding=tuned)
    (table,) = [one for one in model.modules() if isinstance(one, torch.nn.Embedding)]
    assert table.weight.tolist() == MATRIX.tolist()
    assert table.weight.requires_grad is tuned


def test_the_stand_in_of_a_matrix_makes_the_same_model():
    """A plain buffer of the described shape gives as many parameters, also without memory."""
    zeros = memoryview(bytes(4 * 10 * 6)).cast("f", (10, 6))
    with torch.device("meta"):
        described = build(embedding=zeros)
    sizes = [tuple(one.shape) for one in described.parameters()]
    assert sizes == [tuple(one.shape) for one in build(embedding=MATRIX).parameters()]
    assert all(one.is_meta for one in described.parameters())


def test_a_bag_of_tokens_is_logistic_regression_of_counts():
    """Logits are counts times weights, plus a bias."""
    model = build(bag_of_tokens)
    counts = torch.stack([torch.bincount(text, minlength=10) for text in TEXTS]).float()
    counts[:, 0] = 0
    torch.testing.assert_close(model(TEXTS), counts @ model.table.weight + model.bias)


def test_a_hidden_token_loses_its_whole_vector_in_training_alone():
    """With half of the tokens hidden, a vector is zero or twice itself; the position stays."""
    model = build(token_dropout=0.5, dropout=0.0)
    vectors = model.vectors(TEXTS[1:2])
    hidden = model.train().embed(TEXTS[1:2])[0] - model.positions
    kept = hidden.abs().sum(dim=-1) > 1e-6
    assert 0 < kept.sum() < 5
    torch.testing.assert_close(hidden, 2 * vectors * kept[..., None])
    torch.testing.assert_close(model.eval().embed(TEXTS[1:2])[0], vectors + model.positions)

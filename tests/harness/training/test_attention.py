"""Attention received, from weights written by hand, and its way from a model to the table."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from harness.data.types import FoldInputs
from harness.training import attention
from harness.training.attention import attention_rows, token_scores, top_token
from harness.training.backends.fold_run import start_folds
from harness.training.batches import fold_source
from harness.training.trainer import train_folds
from tests.builders import CPU, make_job, make_trial_data, trained

NAMES = ("<padding>", "<unknown>", "sad", "so", "glad")
CLASSES = ("gloom", "joy")
IDS = torch.tensor([[2, 3, 3, 0], [4, 1, 0, 0]])


class Counting(nn.Module):
    """Joy where a text says glad (id 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, ids):
        glad = (ids == 4).any(dim=1).float()
        return self.scale * torch.stack([1 - glad, glad], dim=1)


def to_first(model, ids):
    """Every token gives 0.7 to the first token and 0.3 to the last real one; two blocks alike."""
    n, t = ids.shape
    weights = torch.zeros(n, t, t)
    last = (ids != 0).sum(dim=1) - 1
    weights[..., 0] += 0.7
    weights[torch.arange(n), :, last] += 0.3
    return weights[:, None, None].expand(n, 2, 1, t, t)


def rows(**changes):
    data = make_trial_data(n=6, num_classes=2)
    source = replace(fold_source(data, 0, CPU), inputs=IDS.to(torch.int16))
    given = {
        "attend": to_first,
        "predicted": np.array([0, 1]),
        "token_names": NAMES,
        "class_names": CLASSES,
        **changes,
    }
    return attention_rows(Counting().eval(), source, torch.arange(2), **given)


def test_a_token_gets_the_mean_of_what_real_tokens_attend_to_it():
    """Rows of padding do not count; what padding gets is dropped."""
    weights = torch.tensor([[0.5, 0.5, 0.0], [0.1, 0.9, 0.0], [1.0, 0.0, 0.0]])
    scores = token_scores(weights.view(1, 1, 1, 3, 3), torch.tensor([[7, 8, 0]]))
    assert scores.flatten().tolist() == pytest.approx([0.3, 0.7, 0.0])


def test_where_the_model_has_tokens_of_its_own_only_they_attend():
    """CLS gives 0.3 and 0.2, whatever the words give each other; it gets no score itself."""
    weights = torch.tensor([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.6, 0.1, 0.3]])
    scores = token_scores(weights.view(1, 1, 1, 3, 3), torch.tensor([[7, 8]]))
    assert scores.flatten().tolist() == pytest.approx([0.3, 0.2])
    padded = token_scores(weights.view(1, 1, 1, 3, 3), torch.tensor([[7, 0]]))
    assert padded.flatten().tolist() == pytest.approx([0.3, 0.0])


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (2, 1, 1, 3, 3), (1, 1, 1, 3, 2), (1, 1, 1, 2, 2)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(batch, blocks, heads, tokens, tokens\)"):
        token_scores(torch.zeros(shape), torch.tensor([[7, 8, 9]]))


def test_scores_are_summed_by_class_token_block_and_head():
    """`sad so so`: 0.7, 0 and 0.3; `glad <unknown>`: 0.7 for glad, and 0.3 for nobody's name."""
    found = {(row["class"], row["token"], row["block"], row["head"]): row for row in rows()}
    assert {key: (row["count"], pytest.approx(row["score_sum"])) for key, row in found.items()} == {
        (name, token, block, 1): (count, score)
        for block in (1, 2)
        for name, token, count, score in (
            ("gloom", "sad", 1, 0.7), ("gloom", "so", 2, 0.3), ("joy", "glad", 1, 0.7))
    }  # fmt: skip


def test_batches_give_the_same_sums_as_one_example_at_a_time(monkeypatch):
    whole = rows()
    monkeypatch.setattr(attention, "_BATCH_BYTES", 1)
    assert rows() == whole


def test_rare_tokens_of_low_score_are_left_out(monkeypatch):
    """Of gloom the first by score stays, and what is frequent."""
    monkeypatch.setattr(attention, "TOP_TOKENS", 1)
    assert {row["token"] for row in rows()} == {"sad", "glad"}
    monkeypatch.setattr(attention, "FREQUENT", 2)
    assert {row["token"] for row in rows()} == {"sad", "glad", "so"}


def test_the_top_token_of_one_text():
    """The predicted class, the first token, and 0.7 of the attention."""
    given = {"attend": to_first, "token_names": NAMES, "class_names": CLASSES}
    found = top_token(Counting(), IDS[0], **given)
    assert (found.predicted, found.token, found.score) == ("gloom", "sad", pytest.approx(0.7))
    assert top_token(Counting(), torch.tensor([1, 3, 0]), **given).token == "so"


def test_a_text_without_a_known_token_has_no_top_token():
    given = {"attend": to_first, "token_names": NAMES, "class_names": CLASSES}
    with pytest.raises(ValueError, match="no token that the vocabulary knows"):
        top_token(Counting(), torch.tensor([1, 0, 0]), **given)


def text_job(*, attend=to_first, names=NAMES, test=True):
    data = make_trial_data(n=24, num_classes=2, input_shape=(4,), test=test)
    ids = np.zeros((24, 4), np.int16)
    ids[:, 0], ids[:, 1] = 2 + 2 * data.targets, 3
    inputs = (FoldInputs(token_names=names),) * len(data.folds)
    data = replace(data, inputs=(ids,), fold_inputs=inputs, class_names=CLASSES)
    build = lambda **ignored: Counting()  # noqa: E731
    return replace(make_job(data, build=build, lr=1e-6, epochs=1), attention=attend)


@pytest.mark.parametrize("test", [True, False])
def test_every_fold_has_rows_of_its_test_examples(test):
    """Of validation where there is no test; each fold's own repeat and number."""
    job = text_job(test=test)
    _, outcomes = trained(job)
    for fold, outcome in zip(job.data.folds, outcomes, strict=True):
        indices = fold.test if test else fold.validation
        assert {(row["repeat"], row["fold"]) for row in outcome.attention} == {(1, fold.fold)}
        (joy,) = [row for row in outcome.attention if (row["token"], row["block"]) == ("glad", 1)]
        assert joy["count"] == (job.data.targets[indices] == 1).sum()
        assert joy["score_sum"] == pytest.approx(0.7 * joy["count"])


@pytest.mark.parametrize("changes", [{"attend": None}, {"names": None}])
def test_without_attention_or_names_there_are_no_rows(changes):
    _, outcomes = trained(text_job(**changes))
    assert all(outcome.attention == () for outcome in outcomes)


@pytest.mark.parametrize("weights", [None, torch.ones(1, 4)])
def test_attention_that_fails_does_so_before_any_training(weights):
    """What it raises itself, and what it gives in another shape: not after the last epoch."""

    def broken(model, ids):
        if weights is None:
            raise ValueError("attention has no weights")
        return weights

    with pytest.raises(ValueError, match="attention"):
        next(train_folds(text_job(attend=broken)))


def test_trying_attention_leaves_the_random_state_and_the_mode():
    """Dropout of the first epoch is the same with and without attention."""

    def drawing(model, ids):
        torch.rand(3)
        return to_first(model, ids)

    runs, states = [], []
    for attend in (drawing, None):
        runs += start_folds(text_job(attend=attend))
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
    assert all(run.model.training for run in runs)

"""Words about saturation and gradients, only as far as the rows carry them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.report.content import Choice, Figure, Text
from harness.report.sections import layers
from harness.report.study import Configuration
from tests.harness.report.folders import Trial, make_study

A = Configuration("a" * 16, "complete", 1, "act=relu", "#000000", {})
B = Configuration("b" * 16, "complete", 2, "act=sigmoid", "#111111", {})


def rows_of(
    one: Configuration,
    *,
    gradients: tuple[float, float],
    shares: tuple[float, float] | None,
    fold: int = 1,
) -> list[dict[str, Any]]:
    """A dense layer and its activation at epochs 0 and 1."""
    made = []
    for epoch in (0, 1):
        place = {"trial_id": one.trial_id, "repeat": 1, "fold": fold, "epoch": epoch}
        dense = {"position": 1, "layer": "0", "module": "Linear", "activation_std": 1.0}
        dense |= {"saturated_share": None, "gradient_norm": gradients[epoch], "weight_norm": 2.0}
        flat = {"position": 2, "layer": "1", "module": "Sigmoid" if shares else "ReLU"}
        flat |= {"activation_std": 0.03, "saturated_share": shares[epoch] if shares else 0.4}
        flat |= {"gradient_norm": 0.1, "weight_norm": None}
        made += [place | dense, place | flat]
    return made


def look(*rows: list[dict[str, Any]]) -> tuple[layers.Look, ...]:
    frame = pd.DataFrame([row for block in rows for row in block])
    return layers.compute(frame.astype({"saturated_share": float, "weight_norm": float}), [A, B])


def test_layers_are_means_over_folds_from_epoch_0():
    """Gradients 1 and 3 of two folds are 2; the activation has a share and no weights."""
    (found,) = look(
        rows_of(A, gradients=(1.0, 2.0), shares=(0.0, 0.5)),
        rows_of(A, gradients=(3.0, 4.0), shares=(0.2, 0.7), fold=2),
    )
    assert found.epochs == (0, 1)
    dense, sigmoid = found.layers
    assert dense.gradient.tolist() == [2.0, 3.0]
    assert np.isnan(dense.saturated).all()
    assert sigmoid.saturated.tolist() == pytest.approx([0.1, 0.6])
    assert (found.first, found.bounded) == (dense, (sigmoid,))


def test_a_weak_gradient_without_saturation_is_not_put_down_to_it():
    """1/500 of the gradient, and 2 % flat outputs: something else does it."""
    found = look(
        rows_of(A, gradients=(1.0, 1.0), shares=None),
        rows_of(B, gradients=(0.002, 0.1), shares=(0.0, 0.02)),
    )
    text = layers.words(found)
    assert "first layer of #2 (act=sigmoid) gets 500 times less gradient than that of #1" in text
    assert "Saturation does not explain it: at most 2.0 %" in text
    assert "nearly one number, whatever the input (standard deviation 0.03)" in text


def test_a_weak_gradient_with_saturation_names_layer_and_epoch():
    """Nine tenths are flat after epoch 1."""
    found = look(
        rows_of(A, gradients=(1.0, 1.0), shares=None),
        rows_of(B, gradients=(0.002, 0.1), shares=(0.1, 0.9)),
    )
    assert "Saturation goes with it: up to 90 % of the outputs of 1 (Sigmoid)" in layers.words(
        found
    )
    assert "at epoch 1" in layers.words(found)


def test_gradients_of_like_size_make_no_claim():
    """A fifth is not weak, however flat the activations are."""
    found = look(
        rows_of(A, gradients=(1.0, 1.0), shares=None),
        rows_of(B, gradients=(0.2, 0.2), shares=(0.9, 0.9)),
    )
    assert "no gradient vanishes" in layers.words(found)
    assert "aturation" not in layers.words(found)


def test_the_section_says_how_to_ask_for_it(tmp_path):
    """Without rows it stays, in one line."""
    made = layers.layers(make_study(tmp_path, Trial(1, [0.5, 0.6, 0.7])))
    (line,) = made.blocks
    assert "`diagnostics: layers`" in line.text


def test_the_section_shows_what_was_written(tmp_path):
    """From rows to words, two figures and one view per configuration, as the page draws them."""
    study = make_study(tmp_path, Trial(1, [0.5, 0.6, 0.7]))
    (one,) = study.complete
    looked = pd.DataFrame(rows_of(one, gradients=(1.0, 2.0), shares=(0.0, 0.5)))
    made = layers.layers(replace(study, layers=lambda trial_ids: looked))
    kinds = [type(block) for block in made.blocks]
    assert kinds == [Text, Text, Figure, Figure, Choice]
    (view,) = made.blocks[-1].options
    heat_map, table = view.blocks
    assert heat_map.figure.data[0].z.tolist() == [[0.0, pytest.approx(0.301)]]
    assert [cell.text for cell in table.rows[0][2:4]] == ["–", "–"]
    assert [cell.text for cell in table.rows[1][2:4]] == ["0.0000", "0.5000"]

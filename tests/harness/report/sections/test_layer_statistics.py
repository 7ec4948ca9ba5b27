"""Words about saturation and gradients, only as far as the rows carry them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.report.benchmark_results import Configuration
from harness.report.blocks import Dropdown, Figure, Text
from harness.report.sections import layer_statistics
from tests.harness.report.folders import Trial, results_of

A = Configuration("a" * 16, "complete", 1, "act=relu", "#000000", {})
B = Configuration("b" * 16, "complete", 2, "act=sigmoid", "#111111", {})


def rows_of(
    one: Configuration,
    *,
    gradients: tuple[float, float],
    shares: tuple[float, float] | None,
    zeros: float = 0.4,
    fold: int = 1,
) -> list[dict[str, Any]]:
    """A dense layer, its activation and a head of gradient norm 10, at epochs 0 and 1."""
    made = []
    for epoch in (0, 1):
        place = {"trial_id": one.trial_id, "repeat": 1, "fold": fold, "epoch": epoch}
        dense = {"position": 1, "layer": "0", "module": "Linear", "activation_std": 1.0}
        dense |= {"saturated_share": None, "gradient_norm": gradients[epoch], "weight_norm": 2.0}
        flat = {"position": 2, "layer": "1", "module": "Sigmoid" if shares else "ReLU"}
        flat |= {"activation_std": 0.03, "saturated_share": shares[epoch] if shares else zeros}
        flat |= {"gradient_norm": 0.1, "weight_norm": None}
        head = dense | {"position": 3, "layer": "2", "gradient_norm": 10.0}
        made += [place | dense, place | flat, place | head]
    return made


def look(*rows: list[dict[str, Any]]) -> tuple[layer_statistics.LayerView, ...]:
    frame = pd.DataFrame([row for block in rows for row in block])
    return layer_statistics.compute(
        frame.astype({"saturated_share": float, "weight_norm": float}), [A, B]
    )


def test_layers_are_means_over_folds_from_epoch_0():
    """Gradients 1 and 3 of two folds are 2; the activation has a share and no weights."""
    (found,) = look(
        rows_of(A, gradients=(1.0, 2.0), shares=(0.0, 0.5)),
        rows_of(A, gradients=(3.0, 4.0), shares=(0.2, 0.7), fold=2),
    )
    assert found.epochs == (0, 1)
    dense, sigmoid, head = found.layers
    assert dense.gradient.tolist() == [2.0, 3.0]
    assert np.isnan(dense.saturated).all()
    assert sigmoid.saturated.tolist() == pytest.approx([0.1, 0.6])
    assert (found.weighted, found.bounded) == ((dense, head), (sigmoid,))
    assert found.reach.tolist() == pytest.approx([0.2, 0.3])


def test_a_gradient_that_dies_with_saturation_names_layer_and_epoch():
    """From a hundredth to 2e-10 of the last layer's, while all outputs become flat."""
    found = look(
        rows_of(A, gradients=(2.0, 1.0), shares=None),
        rows_of(B, gradients=(0.1, 2e-9), shares=(0.0, 1.0)),
    )
    assert layer_statistics.words(found) == (
        "The first layer of #1 (act=relu) gets the largest share of the gradient of its last: 0.1 "
        "(before training 0.2) after epoch 1. It has no sigmoid or tanh that could saturate.",
        "#2 (act=sigmoid): 2e-10 (before training 0.01) after epoch 1. Saturation goes with it. "
        "At most 100.0 % of the outputs of a Sigmoid lie where it is flat (1, epoch 1; 0.0 % "
        "before training).",
    )


def test_a_weak_gradient_without_saturation_is_not_put_down_to_it():
    """A hundredth of the other's share at the start alone, and 2 % flat outputs."""
    found = look(
        rows_of(A, gradients=(1.0, 1.0), shares=None),
        rows_of(B, gradients=(0.01, 0.5), shares=(0.0, 0.02)),
    )
    _, text = layer_statistics.words(found)
    assert text.startswith("#2 (act=sigmoid): 0.001 before training. Saturation does not explain")
    assert "At most 2.0 % of the outputs" in text
    assert "nearly one number, whatever the input (standard deviation 0.03)" in text


def test_a_relu_that_is_zero_everywhere_is_dead():
    """Then nothing reaches what lies before it."""
    found = look(
        rows_of(A, gradients=(1.0, 1.0), shares=None),
        rows_of(B, gradients=(0.0, 0.0), shares=None, zeros=1.0),
    )
    dead = "Dead units go with it: all outputs of 1 (ReLU) are zero at epoch 0."
    assert (
        layer_statistics.words(found)[1]
        == f"#2 (act=sigmoid): 0 (before training 0) after epoch 1. {dead}"
    )


def test_gradients_of_like_size_make_no_claim():
    """A fifth is not weak, however flat the activations are."""
    found = look(
        rows_of(A, gradients=(1.0, 1.0), shares=None),
        rows_of(B, gradients=(0.2, 0.2), shares=(0.9, 0.9)),
    )
    (text,) = layer_statistics.words(found)
    assert text.startswith("No gradient vanishes")


def test_one_configuration_alone_is_compared_with_nothing():
    """Its saturation is told, and no claim is made."""
    found = look(rows_of(B, gradients=(1.0, 1.0), shares=(0.0, 0.25)))
    (text,) = layer_statistics.words(found)
    assert text.startswith("#2 (act=sigmoid). At most 25.0 % of the outputs of a Sigmoid")


def test_the_section_says_how_to_ask_for_it(tmp_path):
    """Without rows it stays, in one line."""
    made = layer_statistics.layers(results_of(tmp_path, Trial(1, [0.5, 0.6, 0.7])))
    (line,) = made.blocks
    assert "`diagnostics: layers`" in line.text


def test_the_section_shows_what_was_written(tmp_path):
    """From rows to words, two figures and one view per configuration, as the page draws them."""
    results = results_of(tmp_path, Trial(1, [0.5, 0.6, 0.7]))
    (one,) = results.complete
    looked = pd.DataFrame(rows_of(one, gradients=(1.0, 2.0), shares=(0.0, 0.5)))
    made = layer_statistics.layers(replace(results, layers=lambda trial_ids: looked))
    kinds = [type(block) for block in made.blocks]
    assert kinds == [Text, Text, Figure, Figure, Dropdown]
    (view,) = made.blocks[-1].options
    heat_map, table = view.blocks
    assert heat_map.figure.data[0].z.tolist() == [[0.0, pytest.approx(0.301)], [1.0, 1.0]]
    assert [cell.text for cell in table.rows[0][2:4]] == ["–", "–"]
    assert [cell.text for cell in table.rows[1][2:4]] == ["0.0000", "0.5000"]

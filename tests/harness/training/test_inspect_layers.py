"""The layer table and torchinfo's totals, against the published tables."""

from dataclasses import replace

import pytest
from torch import nn

from harness.training.model_summary import count, layer_table, torchinfo_summary
from models import conv1d, conv1d_transformer, linear, vit

AUDIO = {"input_shape": (1, 144_000), "num_classes": 10}
SMALL = {"input_shape": (4,), "num_classes": 3}


@pytest.mark.parametrize(
    ("build", "giga_mult_adds", "forward_backward_mb", "params_mb", "total_mb"),
    [
        (conv1d.build, 7.47, 1345.56, 18.49, 1382.48),
        (conv1d_transformer.build, 7.32, 2138.45, 0.20, 2157.09),
    ],
)
def test_summaries_of_reports_000_and_001(
    build, giga_mult_adds, forward_backward_mb, params_mb, total_mb
):
    """The foot of both published layer tables, for a batch of 32, digit by digit."""
    found = torchinfo_summary(build, arguments={}, **AUDIO, batch_size=32)
    assert round(found.mult_adds / 1e9, 2) == giga_mult_adds
    assert round(found.input_mb, 2) == 18.43
    assert round(found.forward_backward_mb, 2) == forward_backward_mb
    assert round(found.params_mb, 2) == params_mb
    assert round(found.total_mb, 2) == total_mb


class LooksAtData(nn.Linear):
    """Branches on a value: its forward can't run without memory."""

    def forward(self, x):
        return super().forward(x if x.sum().item() >= 0 else -x)


@pytest.mark.parametrize(
    ("build", "shape", "arguments"),
    [
        (linear.build, {"input_shape": (1, 8, 8), "num_classes": 10}, {}),
        (conv1d.build, AUDIO, {}),
        (conv1d_transformer.build, AUDIO, {}),
        (conv1d_transformer.build, AUDIO, {"attention": "published"}),
        (vit.build, {"input_shape": (3, 32, 32), "num_classes": 10}, {}),
    ],
)
def test_the_columns_add_up(build, shape, arguments):
    """Parameters, multiply-adds and memory of all rows are those of the model."""
    rows = layer_table(build, arguments=arguments, **shape)
    total = count(build, arguments=arguments, **shape)
    summary = torchinfo_summary(build, arguments=arguments, **shape, batch_size=1)
    assert sum(row.n_parameters for row in rows) == total.n_parameters
    assert sum(row.mult_adds for row in rows) == total.mult_adds
    assert sum(row.memory_mb for row in rows) == pytest.approx(summary.forward_backward_mb)
    assert all(row.mult_adds >= 0 for row in rows)


def test_rows_of_the_published_table():
    """Name, kind, shape and parameters of the first block, for a batch of 32."""
    rows = {
        row.name: row for row in layer_table(conv1d.build, arguments={}, **AUDIO, batch_size=32)
    }
    assert next(iter(rows)) == ""
    convolution = rows["blocks.0.conv"]
    assert convolution.kind == "Conv1d"
    assert convolution.output_shape == (32, 64, 71_999)
    assert convolution.n_parameters == 512
    assert convolution.mult_adds == 32 * 71_999 * 64 * 7
    assert convolution.memory_mb == pytest.approx(2 * 32 * 64 * 71_999 * 4 / 1e6)
    assert rows["blocks.0"].output_shape == (32, 64, 35_999)
    assert rows["blocks.0"].n_parameters == 128  # of the batch normalisation that never runs
    assert rows["dense"].n_parameters == 4_608_128


def test_attention_products_belong_to_the_attention_row():
    """What no child computes is the module's own: 2 x 5 tokens^2 x width 8."""
    arguments = {"width": 8, "depth": 1, "hidden_dim": 16, "num_heads": 2}
    table = layer_table(vit.build, arguments=arguments, input_shape=(1, 8, 8), num_classes=3)
    rows = {row.name: row for row in table}
    assert rows["blocks.0.attention"].mult_adds == 2 * 5**2 * 8
    assert rows["blocks.0.attention.qkv"].mult_adds == 5 * 8 * 24


def test_a_layer_used_twice_is_counted_in_its_first_row():
    """The second row repeats the shape and adds nothing."""

    def build(*, input_shape, num_classes):
        shared = nn.Linear(4, 4)
        return nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(4, num_classes))

    rows = [row for row in layer_table(build, arguments={}, **SMALL) if row.kind == "Linear"]
    assert [(row.n_parameters, row.mult_adds) for row in rows] == [(20, 32), (0, 0), (15, 12)]
    assert rows[1] == replace(rows[1], output_shape=(1, 4))


def test_a_model_that_looks_at_data_has_a_table():
    """The CPU answers where the meta device can't."""
    rows = layer_table(lambda *, input_shape, num_classes: LooksAtData(4, 3), arguments={}, **SMALL)
    assert [(row.name, row.mult_adds) for row in rows] == [("", 12)]

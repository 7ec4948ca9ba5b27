"""Types come from annotations and whole domains, and only ever widen."""

from typing import Annotated, Literal, Optional

import pyarrow as pa
import pytest

from harness.results.column_types import param_cell, param_type, union_schema, wider
from harness.results.trial_config import param_value


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], pa.int64()),
        ([1, 0.5], pa.float64()),
        ([True, False], pa.bool_()),
        (["adam", "sgd"], pa.string()),
        ([None, 4], pa.int64()),
        ([True, 1], pa.string()),
        (["none", 0.5], pa.string()),
        ([[1, 2], [3, 4]], pa.string()),
        ([None], pa.string()),
    ],
)
def test_a_type_follows_from_the_whole_domain(values, kind):
    assert param_type(values) == kind


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (float, pa.float64()),
        ("float", pa.float64()),
        ("int | None", pa.int64()),
        (Optional[int], pa.int64()),  # noqa: UP045 (users may write it so)
        (int | None, pa.int64()),
        (Annotated[float, "positive"], pa.float64()),
        ("int | float", pa.float64()),
        ("bool", pa.bool_()),
        ('Literal["first", "none"]', pa.string()),
        ("typing.Literal[1, 2]", pa.int64()),
        (Literal["a", "b"], pa.string()),
        ("Optional[Literal[1, 'two']]", pa.string()),
        ("tuple[int, ...]", pa.string()),
        (tuple[int, ...], pa.string()),
        ("list[float]", pa.string()),
    ],
)
def test_an_annotation_decides_before_the_values(annotation, kind):
    assert param_type([1], annotation) == kind


def test_text_columns_keep_text_and_hold_everything_else_as_json():
    cells = [param_cell(value, pa.string()) for value in ("adam", 0.5, [1, 2], True, None)]
    assert cells == ["adam", "0.5", "[1, 2]", "true", None]
    assert param_cell(3, pa.int64()) == 3


def test_a_path_is_looked_up_in_the_resolved_configuration():
    config = {"training": {"lr": 0.1, "schedule": {"name": "step"}}}
    assert param_value(config, "training.lr") == 0.1
    assert param_value(config, "training.schedule.name") == "step"
    assert param_value(config, "model.width") is None
    assert param_value(config, "training.lr.deeper") is None


def test_a_union_keeps_the_old_order_and_widens_outgrown_types():
    old = pa.schema([("a", pa.int64()), ("b", pa.float64()), ("gone", pa.bool_())])
    new = pa.schema([("c", pa.string()), ("b", pa.string()), ("a", pa.float64())])
    assert union_schema(old, new) == pa.schema(
        [("a", pa.float64()), ("b", pa.string()), ("gone", pa.bool_()), ("c", pa.string())]
    )


def test_truth_values_and_numbers_only_meet_as_text():
    assert wider(pa.bool_(), pa.int64()) == pa.string()
    assert wider(pa.int32(), pa.int64()) == pa.int64()

"""A private Ray without its helpers."""

import pytest

from harness.tune.cluster.ray_patches import without_helpers

NAMES = ("start_monitor", "start_log_monitor", "start_api_server")


def test_ray_still_calls_its_helpers_by_the_names_that_are_left_out() -> None:
    """Where Ray names them otherwise, runs start slower and nobody notices; this test does."""
    node = pytest.importorskip("ray._private.node").Node

    assert all(callable(getattr(node, name, None)) for name in NAMES)


def test_ray_has_its_helpers_back_afterwards() -> None:
    """Somebody else's Ray in the same process starts as it always did, also after an error."""
    node = pytest.importorskip("ray._private.node").Node
    before = [getattr(node, name) for name in NAMES]

    with pytest.raises(KeyError), without_helpers():
        assert [getattr(node, name) for name in NAMES] != before
        raise KeyError

    assert [getattr(node, name) for name in NAMES] == before

"""What Ray does not document: still there by these names, and what happens where it is gone."""

from types import SimpleNamespace
from typing import Any

import pytest

from harness.tune import ray_internals
from harness.tune.ray_internals import without_helpers

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


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("ray._raylet", "Config.initialize"),
        ("ray._raylet", "AuthenticationTokenLoader.instance"),
        ("ray._raylet", "GcsClient"),
        ("ray._private", "worker._worker_logs_enabled"),
        ("ray._private.node", "Node.kill_all_processes"),
        ("ray._private.services", "canonicalize_bootstrap_address_or_die"),
        ("ray._private.services", "find_node_ids"),
    ],
)
def test_this_ray_has_what_is_used_of_it(module: str, name: str) -> None:
    """An upgrade that renames one is noticed here, not by slower runs."""
    assert ray_internals._internal(module, name) is not None


def test_tune_ends_the_actor_of_a_changed_process_and_keeps_another() -> None:
    controller = SimpleNamespace()
    decisions = []
    for changed in (True, False):
        ray_internals.retire_actor(controller, changed=changed)
        decisions.append(controller._reuse_actors)

    assert decisions == [False, True]
    assert ray_internals.can_retire_actors()


def test_a_ray_that_lacks_all_of_it_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its helpers, its own messages and a new actor for each trial."""
    shut_down: list[bool] = []
    monkeypatch.setattr(ray_internals, "_internal", lambda module, name: None)
    monkeypatch.setattr(ray_internals.ray, "shutdown", lambda: shut_down.append(True))
    with without_helpers():
        ray_internals.reread_environment()
        ray_internals.silence_worker_logs()
    ray_internals.kill_head_processes()
    ray_internals.shut_down_at_once()
    ray_internals.forget_statistics(SimpleNamespace())

    answers: list[Any] = [
        ray_internals.head_processes(),
        ray_internals.bootstrap_address(),
        ray_internals.living_nodes("127.0.0.1:1", timeout_s=0.1),
        ray_internals.nodes_here(),
        ray_internals.can_retire_actors(),
    ]
    assert answers == [{}, None, None, None, False]
    assert shut_down == [True]

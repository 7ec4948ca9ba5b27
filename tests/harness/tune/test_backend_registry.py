"""The first choice for a model's shape is everybody's: in a run, in later runs, on a machine."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.training.backends.selection import BackendChoice, refused
from harness.tune import backend_registry
from harness.tune.backend_registry import RECORD, BackendRegistry, agreement, remembered

STACKED = {"execution": "vectorized", "reason": "measured", "ratio": 1.4}
LOOPED = {"execution": "loop", "reason": "measured", "ratio": 0.8}


def run_name(number: int) -> str:
    """The name of a benchmark's run, the first one's before the others'."""
    return f"20260101T00000{number}-0001"


def run_folder(folder: Path, name: str, record: dict[str, Any] | None = None) -> Path:
    """A run that wrote its run.json."""
    run = folder / "runs" / name
    run.mkdir(parents=True)
    found = {"run_id": name} if record is None else {"run_id": name, RECORD: record}
    (run / "run.json").write_text(json.dumps(found))
    return run


def recorded(run: Path) -> Any:
    return json.loads((run / "run.json").read_text()).get(RECORD)


def test_the_first_choice_counts_and_is_written_down(tmp_path: Path) -> None:
    """Two workers measured at once, and differ."""
    run = run_folder(tmp_path, run_name(2))
    known = BackendRegistry(tmp_path, run)
    assert known.get("shape") is None
    assert known.keep("shape", STACKED) == STACKED
    assert known.keep("shape", LOOPED) == STACKED
    assert known.get("shape") == STACKED
    assert recorded(run) == {"shape": STACKED}


def test_later_runs_keep_to_it_and_write_what_they_used(tmp_path: Path) -> None:
    """The oldest run's choice, so that trials of a benchmark don't differ; damage is no record."""
    run_folder(tmp_path, run_name(1), {"shape": STACKED, "unused": LOOPED})
    run_folder(tmp_path, run_name(2), {"shape": LOOPED})
    (run_folder(tmp_path, run_name(3)) / "run.json").write_text("{")
    run = run_folder(tmp_path, run_name(4))
    assert BackendRegistry(tmp_path, run).get("shape") == STACKED
    assert recorded(run) == {"shape": STACKED}


def test_a_record_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    """The choice holds for the run all the same."""
    known = BackendRegistry(tmp_path, tmp_path / "runs" / "gone")
    assert known.keep("shape", STACKED) == known.get("shape") == STACKED


def test_a_machine_measures_once(tmp_path: Path) -> None:
    """What is damaged in the cache is found anew."""
    found: list[int] = []

    def find() -> BackendChoice:
        found.append(1)
        return BackendChoice(**STACKED)

    assert remembered(tmp_path, "shape", find) == remembered(tmp_path, "shape", find) == STACKED
    assert len(found) == 1
    kept = tmp_path / "executions" / "shape.json"
    nonsense = {**STACKED, "execution": "sideways"}
    for text in ("{}", "[]", "[" * 100_000, "\0", json.dumps(nonsense)):
        found.clear()
        kept.write_text(text)
        for _ in range(2):
            assert remembered(tmp_path, "shape", find) == STACKED
        assert len(found) == 1
    kept.unlink()
    kept.mkdir()
    for _ in range(2):
        assert remembered(tmp_path, "shape", find) == STACKED
    assert len(found) == 2


def test_a_worker_asks_the_collector_before_it_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And takes the answer of a faster one over its own."""
    monkeypatch.setattr(backend_registry, "get_value", lambda value: value)
    known = BackendRegistry(tmp_path, run_folder(tmp_path, run_name(1)))
    remote = SimpleNamespace(
        execution=SimpleNamespace(remote=known.get),
        keep_execution=SimpleNamespace(remote=known.keep),
        revise_execution=SimpleNamespace(remote=known.revise),
    )
    agreed = agreement(remote, cache=tmp_path / "cache", model="vit")
    agree = agreed.ask

    def slow() -> BackendChoice:
        known.keep("shape", {"model": "vit", **LOOPED})
        return BackendChoice(**STACKED)

    assert agree("shape", slow) == BackendChoice(**LOOPED)
    assert agree("shape", lambda: pytest.fail("known already")) == BackendChoice(**LOOPED)
    agreed.revise("other", BackendChoice(**STACKED, compared=7))
    assert agree("other", lambda: pytest.fail("known already")) == BackendChoice(
        **STACKED, compared=7
    )
    assert remembered(tmp_path / "cache", "other", slow)["compared"] == 7


def test_what_a_trial_found_out_is_known_to_all_that_follow(tmp_path: Path) -> None:
    """How far the batched model was compared; an obstacle, which no later run undoes."""
    run = run_folder(tmp_path, run_name(1))
    known = BackendRegistry(tmp_path, run)
    known.keep("shape", STACKED)
    known.revise("shape", {**STACKED, "compared": 120})
    assert known.get("shape") == {**STACKED, "compared": 120}
    later = BackendRegistry(tmp_path, run_folder(tmp_path, run_name(2), {"shape": STACKED}))
    assert later.get("shape") == {**STACKED, "compared": 120}
    obstacle = {"execution": "loop", "reason": refused("other gradients").reason, "ratio": None}
    known.revise("shape", obstacle)
    known.revise("shape", {**STACKED, "compared": 120})
    assert known.get("shape") == obstacle
    run_folder(tmp_path, run_name(3), {"shape": STACKED})
    assert BackendRegistry(tmp_path, tmp_path / "runs" / "4").get("shape") == obstacle

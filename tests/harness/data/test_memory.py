"""Data that can't fit is refused before it is read."""

from pathlib import Path

import pytest

from data_prep.examples import Description
from harness.data import memory
from harness.data.memory import (
    available_memory_bytes,
    described_bytes,
    refuse_too_large,
)
from harness.errors import BenchError


def _description(n: int, **fields: str) -> Description:
    return Description(
        title="", input_shape=(1, 1000), class_names=("a", "b"), n_examples=n, source="",
        licence="", **fields,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "n_bytes"),
    [({}, 40_000), ({"input_dtype": "int64"}, 80_000), ({"storage_dtype": "uint8"}, 10_000)],
)
def test_the_size_follows_from_the_stored_type(fields: dict[str, str], n_bytes: int) -> None:
    """Ten examples of a thousand values in 4, 8 or 1 bytes."""
    assert described_bytes(_description(10, **fields)) == n_bytes


def test_more_than_four_fifths_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """40,000 bytes fit into 50,000 exactly; one example more does not."""
    monkeypatch.setattr(memory, "available_memory_bytes", lambda: 50_000)
    refuse_too_large(_description(10), name="noise")
    with pytest.raises(BenchError, match=r"dataset noise.*memory"):
        refuse_too_large(_description(11), name="noise")


def test_where_memory_is_unknown_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard, not a gate."""
    monkeypatch.setattr(memory, "available_memory_bytes", lambda: None)
    refuse_too_large(_description(10**15), name="noise")


def test_the_smaller_of_machine_and_container_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """MemAvailable in kB against the control group's limit in bytes."""
    meminfo, limit = tmp_path / "meminfo", tmp_path / "memory.max"
    meminfo.write_text("MemTotal:       9 kB\nMemAvailable:   5 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", meminfo)
    monkeypatch.setattr(memory, "_CGROUP_LIMIT", limit)
    for text, expected in (("max\n", 5120), ("4000\n", 4000), ("9000\n", 5120)):
        limit.write_text(text)
        assert available_memory_bytes() == expected


def test_without_these_files_the_installed_memory_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On other systems than Linux."""
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_CGROUP_LIMIT", tmp_path / "none")
    found = available_memory_bytes()
    assert found is not None
    assert found > 10**8

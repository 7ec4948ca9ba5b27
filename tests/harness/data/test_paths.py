"""Folders follow the option, then the environment, then the user's cache."""

from pathlib import Path

import pytest

from harness.data.paths import cache_dir, default_data_root, named_data_root


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("BENCH_DATA", "BENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_option_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--data` before $BENCH_DATA."""
    monkeypatch.setenv("BENCH_DATA", "/variable")
    assert default_data_root("/option") == Path("/option")
    assert default_data_root(None) == Path("/variable")
    assert named_data_root(None) == Path("/variable")


def test_without_either_data_lies_in_the_users_cache(tmp_path: Path) -> None:
    """`~/.cache/bench/data` and `~/.cache/bench/arrays`; nobody named it."""
    assert default_data_root(None) == tmp_path / ".cache" / "bench" / "data"
    assert cache_dir() == tmp_path / ".cache" / "bench" / "arrays"
    assert named_data_root(None) is None


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """$XDG_CACHE_HOME moves all, $BENCH_CACHE the arrays."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert default_data_root(None) == Path("/xdg/bench/data")
    monkeypatch.setenv("BENCH_CACHE", "/arrays")
    assert cache_dir() == Path("/arrays")


def test_a_relative_xdg_folder_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As its specification demands."""
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir() == tmp_path / ".cache" / "bench" / "arrays"


def test_paths_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Workers run in other directories; `~` is the home folder."""
    monkeypatch.chdir(tmp_path)
    assert default_data_root("data") == tmp_path / "data"
    assert default_data_root("~/data") == tmp_path / "data"

"""Where raw data and prepared arrays lie on this machine, and how many cores it has."""

import os
from pathlib import Path


def default_data_root(option: str | Path | None) -> Path:
    """Return the folder of raw data: `--data`, else $BENCH_DATA, else the user's cache folder."""
    return named_data_root(option) or _user_cache() / "data"


def named_data_root(option: str | Path | None) -> Path | None:
    """Return the folder of raw data that `--data` or $BENCH_DATA names; None if neither."""
    chosen = option or os.environ.get("BENCH_DATA")
    return _absolute(chosen) if chosen else None


def cache_dir() -> Path:
    """Return the folder of prepared arrays: $BENCH_CACHE, else in the user's cache; disposable."""
    chosen = os.environ.get("BENCH_CACHE")
    return _absolute(chosen) if chosen else _user_cache() / "arrays"


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _user_cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG specification says that a relative path is to be ignored
    base = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return base / "bench"


def _absolute(path: str | Path) -> Path:
    return Path(os.path.abspath(Path(path).expanduser()))

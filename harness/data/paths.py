"""Where raw data and prepared arrays lie on this machine, and how many cores it has."""

import os
from pathlib import Path


def default_data_root(option: str | Path | None) -> Path:
    """The folder of raw data: `--data`, else $BENCH_DATA, else the user's cache folder."""
    return named_data_root(option) or _user_cache() / "data"


def named_data_root(option: str | Path | None) -> Path | None:
    """The folder of raw data that the user named, by `--data` or $BENCH_DATA; None if neither."""
    chosen = option or os.environ.get("BENCH_DATA")
    return _absolute(chosen) if chosen else None


def cache_dir() -> Path:
    """The folder of prepared arrays, safe to delete: $BENCH_CACHE, else in the user's cache."""
    chosen = os.environ.get("BENCH_CACHE")
    return _absolute(chosen) if chosen else _user_cache() / "arrays"


def available_cores() -> int:
    """The cores that this process may use."""
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

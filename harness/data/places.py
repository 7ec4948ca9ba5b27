"""Where raw data and prepared arrays lie on this machine."""

import os
from pathlib import Path


def default_data_root(option: str | None) -> Path:
    """The folder of raw data: `--data`, else $BENCH_DATA, else the user's cache folder."""
    chosen = option or os.environ.get("BENCH_DATA")
    return _absolute(chosen) if chosen else _user_cache() / "data"


def cache_dir() -> Path:
    """The folder of prepared arrays, safe to delete: $BENCH_CACHE, else in the user's cache."""
    chosen = os.environ.get("BENCH_CACHE")
    return _absolute(chosen) if chosen else _user_cache() / "arrays"


def _user_cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG specification says that a relative path is to be ignored
    base = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return base / "bench"


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(Path(path).expanduser()))

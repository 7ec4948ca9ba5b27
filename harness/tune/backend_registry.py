"""One way of training folds for each model's shape, whichever worker asks first and finds it.

A choice is kept three times: by the result writer, so that no two trials of a run with one shape
differ; in `run.json`, so that later runs of the benchmark keep to it; and in the cache folder of
each machine, so that nothing is measured twice there.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.cache import read_cached, write_cached
from harness.errors import BenchError
from harness.results.layout import run_files
from harness.results.runs import read_json, update_run
from harness.tune.local import get_value

if TYPE_CHECKING:
    from harness.training.backends.selection import Agreement, BackendChoice, Find

RECORD = "fold_execution"  # the key in run.json: key of a shape -> its choice

Found = dict[str, Any]


class BackendRegistry:
    """The choices of this run, and of earlier runs of the benchmark; the result writer has one."""

    def __init__(self, folder: Path, run_folder: Path) -> None:
        self._folder, self._run_id = folder, run_folder.name
        self._earlier = _earlier(folder)
        self._here: dict[str, Found] = {}

    def get(self, key: str) -> Found | None:
        """The choice for a shape, None where nobody made one."""
        known = self._here.get(key) or self._earlier.get(key)
        return None if known is None else self.keep(key, known)

    def revise(self, key: str, found: Found) -> Found:
        """Puts a choice in the place of the one that is known, unless that is an obstacle; the one
        that counts."""
        known = self.get(key)
        if known is not None and _is_obstacle(known):
            return known
        self._here.pop(key, None)
        return self.keep(key, found)

    def keep(self, key: str, found: Found) -> Found:
        """Keeps a choice unless another was faster; the one that counts."""
        if key not in self._here:
            self._here[key] = found
            with contextlib.suppress(OSError, BenchError):  # a record, nothing depends on it
                update_run(self._folder, self._run_id, **{RECORD: self._here})
        return self._here[key]


def agreement(writer: Any, *, cache: Path, model: str) -> "Agreement":
    """Among the workers of a run. cache: folder; model: its name, for the record."""
    from harness.training.backends.selection import Agreement

    def agree(key: str, find: "Find") -> "BackendChoice":
        found = get_value(writer.execution.remote(key))
        if found is None:
            mine = {"model": model, **remembered(cache, key, find)}
            found = get_value(writer.keep_execution.remote(key, mine))
        return _choice(found)

    def revise(key: str, choice: "BackendChoice") -> None:
        mine = {"model": model, **_plain(choice)}
        found = get_value(writer.revise_execution.remote(key, mine))
        _remember(cache, key, _plain(_choice(found)))

    return Agreement(agree, revise)


def remembered(cache: Path, key: str, find: "Find") -> Found:
    """The choice in this machine's cache; where there is none, what is found, kept there."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        return _plain(_checked(_choice(read_cached(_file(cache, key)))))
    found = _plain(find())
    _remember(cache, key, found)
    return found


def _file(cache: Path, key: str) -> Path:
    return cache / "executions" / f"{key}.json"


def _remember(cache: Path, key: str, found: Found) -> None:
    with contextlib.suppress(OSError):
        write_cached(_file(cache, key), found)


def _checked(choice: "BackendChoice") -> "BackendChoice":
    """The choice; ValueError where it is none that could have been written."""
    from harness.training.backends.selection import BACKENDS

    ratio = choice.ratio is None or isinstance(choice.ratio, float)
    known = choice.execution in BACKENDS and isinstance(choice.reason, str)
    if not (known and ratio and isinstance(choice.compared, int)):
        raise ValueError(f"no choice: {choice}")
    return choice


def _earlier(folder: Path) -> dict[str, Found]:
    """Of all runs in a results folder; the oldest run's choice stands, but for an obstacle that a
    later one met, and as much as any of them compared."""
    known: dict[str, Found] = {}
    for file in run_files(folder, "run.json"):
        with contextlib.suppress(OSError, BenchError, TypeError, AttributeError):
            record = read_json(file).get(RECORD, {})
            for key, found in record.items():
                if not _is_choice(found):
                    continue
                stands = known.setdefault(key, found)
                if _is_obstacle(found):
                    known[key] = found
                elif not _is_obstacle(stands) and _compared(found) > _compared(stands):
                    known[key] = {**stands, "compared": found["compared"]}
    return known


def _is_choice(found: Any) -> bool:
    """Whether a record of an earlier run says what `_choice` needs; a folder may be anybody's."""
    return (
        isinstance(found, dict)
        and isinstance(found.get("execution"), str)
        and isinstance(found.get("reason"), str)
        and isinstance(found.get("ratio"), int | float | None)
        and isinstance(found.get("compared", 0), int)
        and "ratio" in found
    )


def _compared(found: Found) -> int:
    return int(found.get("compared", 0))


def _is_obstacle(found: Found) -> bool:
    return _choice(found).obstacle


def _choice(found: Mapping[str, Any]) -> "BackendChoice":
    from harness.training.backends.selection import BackendChoice

    return BackendChoice(
        found["execution"], found["reason"], found["ratio"], found.get("compared", 0)
    )


def _plain(choice: "BackendChoice") -> Found:
    found = {"execution": choice.execution, "reason": choice.reason, "ratio": choice.ratio}
    return {**found, "compared": choice.compared} if choice.compared else found

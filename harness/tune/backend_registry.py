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

Record = dict[str, Any]  # a choice as JSON has it


class BackendRegistry:
    """The choices of this run, and of earlier runs of the benchmark; the result writer has one."""

    def __init__(self, folder: Path, run_folder: Path) -> None:
        """Read what earlier runs chose.

        Args:
            folder: `results/<benchmark>`.
            run_folder: `runs/<run_id>` below it.
        """
        self._folder, self._run_id = folder, run_folder.name
        self._earlier = _earlier(folder)
        self._here: dict[str, Record] = {}

    def get(self, key: str) -> Record | None:
        """Return the choice for a shape, None where nobody made one."""
        known = self._here.get(key) or self._earlier.get(key)
        return None if known is None else self.keep(key, known)

    def revise(self, key: str, record: Record) -> Record:
        """Replace a choice, unless the known one is an obstacle; return the one that counts."""
        known = self.get(key)
        if known is not None and _is_obstacle(known):
            return known
        self._here.pop(key, None)
        return self.keep(key, record)

    def keep(self, key: str, record: Record) -> Record:
        """Keep a choice unless another was faster; return the one that counts."""
        if key not in self._here:
            self._here[key] = record
            with contextlib.suppress(OSError, BenchError):  # a record, nothing depends on it
                update_run(self._folder, self._run_id, **{RECORD: self._here})
        return self._here[key]


def agreement(writer: Any, *, cache: Path, model: str) -> "Agreement":
    """Return how a worker agrees with the others of its run.

    Args:
        writer: The actor that has the registry.
        cache: This machine's cache folder.
        model: Its name, for the record.
    """
    from harness.training.backends.selection import Agreement

    def agree(key: str, find: "Find") -> "BackendChoice":
        known = get_value(writer.execution.remote(key))
        if known is None:
            mine = {"model": model, **remembered(cache, key, find)}
            known = get_value(writer.keep_execution.remote(key, mine))
        return _choice(known)

    def revise(key: str, choice: "BackendChoice") -> None:
        mine = {"model": model, **_record(choice)}
        counts = get_value(writer.revise_execution.remote(key, mine))
        _remember(cache, key, _record(_choice(counts)))

    return Agreement(agree, revise)


def remembered(cache: Path, key: str, find: "Find") -> Record:
    """Return the choice in this machine's cache; where there is none, make one and keep it."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        return _record(_checked(_choice(read_cached(_file(cache, key)))))
    record = _record(find())
    _remember(cache, key, record)
    return record


def _file(cache: Path, key: str) -> Path:
    return cache / "executions" / f"{key}.json"


def _remember(cache: Path, key: str, record: Record) -> None:
    with contextlib.suppress(OSError):
        write_cached(_file(cache, key), record)


def _checked(choice: "BackendChoice") -> "BackendChoice":
    """Return the choice; raise ValueError where it is none that could have been written."""
    from harness.training.backends.selection import BACKENDS

    ratio = choice.ratio is None or isinstance(choice.ratio, float)
    known = choice.execution in BACKENDS and isinstance(choice.reason, str)
    if not (known and ratio and isinstance(choice.compared, int)):
        raise ValueError(f"no choice: {choice}")
    return choice


def _earlier(folder: Path) -> dict[str, Record]:
    """Return the choices of all runs in a results folder, by key of a shape.

    The oldest run's choice stays, but for an obstacle that a later one met, and as much as any of
    them compared.
    """
    known: dict[str, Record] = {}
    for file in run_files(folder, "run.json"):
        with contextlib.suppress(OSError, BenchError, TypeError, AttributeError):
            for key, record in read_json(file).get(RECORD, {}).items():
                if not _is_choice(record):
                    continue
                oldest = known.setdefault(key, record)
                if _is_obstacle(record):
                    known[key] = record
                elif not _is_obstacle(oldest) and _compared(record) > _compared(oldest):
                    known[key] = {**oldest, "compared": record["compared"]}
    return known


def _is_choice(record: Any) -> bool:
    """Return whether an earlier run's record has what `_choice` needs; it may be anybody's."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("execution"), str)
        and isinstance(record.get("reason"), str)
        and isinstance(record.get("ratio"), int | float | None)
        and isinstance(record.get("compared", 0), int)
        and "ratio" in record
    )


def _compared(record: Record) -> int:
    return int(record.get("compared", 0))


def _is_obstacle(record: Record) -> bool:
    return _choice(record).obstacle


def _choice(record: Mapping[str, Any]) -> "BackendChoice":
    from harness.training.backends.selection import BackendChoice

    compared = record.get("compared", 0)
    return BackendChoice(record["execution"], record["reason"], record["ratio"], compared)


def _record(choice: "BackendChoice") -> Record:
    record = {"execution": choice.execution, "reason": choice.reason, "ratio": choice.ratio}
    return {**record, "compared": choice.compared} if choice.compared else record

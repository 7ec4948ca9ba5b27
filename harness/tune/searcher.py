"""The seam between Tune, which asks for configurations, and what draws them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ray.tune.search import Searcher

from harness.search.optuna_study import Ended


class DrawingSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune an index at a time: of the trials that are missing anyway, then of drawn ones.

    Tune's config is the trial's index and nothing else, as in every sweep.
    """

    def __init__(
        self,
        missing: Iterable[int],
        draw: Callable[[], int | None],
        on_ended: Callable[[int, Ended], None],
    ) -> None:
        """draw: the index of a new trial, None without one. on_ended: hears how one ended."""
        super().__init__()
        self._missing = list(missing)
        self._draw, self._on_ended = draw, on_ended
        self._indices: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its tuner; nothing here outlives this process

    def suggest(self, trial_id: str) -> dict[str, int] | str | None:
        """Tune's next config, or that there is none. trial_id: Tune's own."""
        index = self._missing.pop(0) if self._missing else self._draw()
        if index is None:
            return str(Searcher.FINISHED)
        self._indices[trial_id] = index
        return {"index": index}

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tune's trial ended: on its own, stopped by the scheduler, or with its process."""
        index = self._indices.pop(trial_id, None)
        ended = _ended(result, error=error)
        if index is not None and ended is not None:
            self._on_ended(index, ended)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what ended is in the tables."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a new run reads the tables."""


def _ended(result: Mapping[str, Any] | None, *, error: bool) -> Ended | None:
    """None for a trial that is to be tried again or was interrupted."""
    if error:
        return Ended("failed")
    if not result or "status" not in result:
        return None
    status = result["status"]
    if status == "running":
        return Ended("pruned", result["objective"], int(result["epoch"]))
    return Ended(status, result["objective"]) if status in ("complete", "failed") else None

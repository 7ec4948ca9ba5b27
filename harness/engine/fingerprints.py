"""Fingerprints of raw data; what `bench` itself keeps is downloaded first where it is missing."""

from pathlib import Path

from data_prep.examples import DataError
from harness.data.fingerprint import fingerprint_of
from harness.engine.identity import canonical_json
from harness.engine.resolve import Resolved
from harness.errors import BenchError
from harness.events import OnEvent, StepStarted
from harness.plugins import catalog


class Fingerprints:
    """Of a configuration's dataset, once per dataset.

    may_prepare: a dataset that is missing is made; else it is the user's to fill the folder.
    anew: every file is read, however much it looks like one that was read before.
    """

    def __init__(
        self, root: Path, *, may_prepare: bool, on_event: OnEvent, anew: bool = False
    ) -> None:
        self._root, self._may_prepare, self._on_event = root, may_prepare, on_event
        self._anew = anew
        self._known: dict[str, str] = {}

    def __call__(self, one: Resolved) -> str:
        """16 hex digits; raises BenchError where the data can't be read."""
        key = canonical_json(one.config["dataset"])
        if key not in self._known:
            try:
                self._known[key] = self._fingerprint(one)
            except (DataError, OSError) as error:
                raise BenchError(f"dataset {one.dataset.name}: {error}") from error
        return self._known[key]

    def _fingerprint(self, one: Resolved) -> str:
        arguments = catalog.arguments_of(one.dataset, one.config["dataset"])
        try:
            return fingerprint_of(one.dataset, arguments, root=self._root, anew=self._anew)
        except DataError:
            if not self._may_prepare:
                raise
        self._on_event(StepStarted(f"preparing {one.dataset.name} in {self._root}"))
        catalog.load(one.dataset).prepare(self._root, **arguments)
        return fingerprint_of(one.dataset, arguments, root=self._root, anew=self._anew)


def refuse_changed(one: Resolved, fingerprint: str, *, root: Path) -> None:
    """Raises BenchError where the raw files are no longer those of a fingerprint.

    Asked after they were read, so that no prepared array is kept under other files' name.
    """
    arguments = catalog.arguments_of(one.dataset, one.config["dataset"])
    if fingerprint_of(one.dataset, arguments, root=root) != fingerprint:
        raise BenchError(
            f"dataset {one.dataset.name}: its raw files in {root} changed while they were read; "
            "start again once they stay"
        )

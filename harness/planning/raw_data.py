"""Fingerprints of raw data; what `bench` itself keeps is downloaded first where it is missing."""

from collections.abc import Mapping
from pathlib import Path

from data_prep.examples import DataError
from harness.data import catalog
from harness.data.fingerprint import data_fingerprint
from harness.data.places import cache_dir
from harness.errors import BenchError
from harness.events import OnEvent, StepStarted
from harness.planning.identity import canonical_json
from harness.planning.resolve import Resolved


class Fingerprints:
    """Of a configuration's dataset, once per dataset.

    may_prepare: a dataset that is missing is made; else it is the user's to fill the folder.
    """

    def __init__(self, root: Path, *, may_prepare: bool, on_event: OnEvent) -> None:
        self._root, self._may_prepare, self._on_event = root, may_prepare, on_event
        self._known: dict[str, str] = {}

    def __call__(self, one: Resolved) -> str:
        """16 hex digits; raises BenchError where the data can't be read."""
        key = canonical_json(one.config["dataset"])
        if key not in self._known:
            arguments = catalog.arguments_of(one.dataset, one.config["dataset"])
            self._known[key] = self._fingerprint(one, arguments)
        return self._known[key]

    def _fingerprint(self, one: Resolved, arguments: Mapping[str, object]) -> str:
        try:
            files = self._files(one, arguments)
            memory = cache_dir() / "fingerprints.json"
            return data_fingerprint(files, root=self._root, memory=memory)
        except (DataError, OSError) as error:
            raise BenchError(f"dataset {one.dataset.name}: {error}") from error

    def _files(self, one: Resolved, arguments: Mapping[str, object]) -> list[Path]:
        module = catalog.load(one.dataset)
        try:
            return list(module.files(self._root, **arguments))
        except DataError:
            if not self._may_prepare:
                raise
        self._on_event(StepStarted(f"preparing {one.dataset.name} in {self._root}"))
        module.prepare(self._root, **arguments)
        return list(module.files(self._root, **arguments))

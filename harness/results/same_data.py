"""Whether two configurations were trained on the same data, so that their scores may be compared.

A dataset is named by its file and, where it reads a folder or table of the user's, by that path;
equal raw files are one dataset wherever they lie.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.results.schema import param_value


class DataIdentity(NamedTuple):
    """What a trial says of its data. path: of the user's own; fingerprint: of the raw files."""

    name: str
    path: str | None
    fingerprint: str | None

    def is_same(self, other: "DataIdentity") -> bool:
        """Whether both are one dataset, perhaps prepared in different ways."""
        if self.name != other.name:
            return False
        return self.path == other.path or (
            self.fingerprint is not None and self.fingerprint == other.fingerprint
        )

    def __str__(self) -> str:
        """`digits`, `text_csv (films.csv)`."""
        return self.name if self.path is None else f"{self.name} ({self.path})"


def data_identity(config: Mapping[str, Any], fingerprint: str | None) -> DataIdentity:
    """The identity in a trial's resolved configuration and fingerprint of raw files."""
    path = param_value(config, "dataset.path")
    name = str(param_value(config, "dataset.name"))
    return DataIdentity(name, None if path is None else str(path), fingerprint or None)

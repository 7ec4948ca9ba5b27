"""What the resolved configuration in a trials row says: values at paths, and its data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

_PICK_NO_EXAMPLES = ("dataset.normalize", "dataset.front_end")  # they change what an example is


class DataIdentity(NamedTuple):
    """The data that a trial was trained on, to tell whether two trials' scores may be compared.

    A dataset is named by its file and, where it reads a folder or table of the user's, by that
    path; equal raw files are one dataset wherever they lie.

    Attributes:
        name: The dataset's name, `dataset.name`.
        path: The user's own folder or table, `dataset.path`; None for other datasets.
        fingerprint: Of the raw files; None where the trial has none.
    """

    name: str
    path: str | None
    fingerprint: str | None

    def is_same(self, other: "DataIdentity") -> bool:
        """Return whether both are one dataset, perhaps prepared in different ways."""
        if self.name != other.name:
            return False
        return self.path == other.path or (
            self.fingerprint is not None and self.fingerprint == other.fingerprint
        )

    def __str__(self) -> str:
        """Name the dataset: `digits`, `text_csv (films.csv)`."""
        return self.name if self.path is None else f"{self.name} ({self.path})"


def data_identity(config: Mapping[str, Any], fingerprint: str | None) -> DataIdentity:
    """Return the data's identity.

    Args:
        config: A trial's resolved configuration.
        fingerprint: Its `data_fingerprint`; empty counts as None.
    """
    path = param_value(config, "dataset.path")
    name = str(param_value(config, "dataset.name"))
    return DataIdentity(name, None if path is None else str(path), fingerprint or None)


def picks_examples(path: str) -> bool:
    """Return whether a setting at this path may decide which examples there are."""
    return path.startswith("dataset.") and path not in _PICK_NO_EXAMPLES


def param_value(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path of a configuration, None where there is none."""
    value: Any = config
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def leaves(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return every dotted path of a configuration, each behind `prefix`, with its value."""
    paths: list[tuple[str, Any]] = []
    for key, value in config.items():
        if isinstance(value, dict) and value:
            paths += leaves(value, f"{prefix}{key}.")
        else:
            paths.append((f"{prefix}{key}", value))
    return paths

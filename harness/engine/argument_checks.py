"""Models and datasets a file names, and the values it gives them, each looked at once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config.benchmark import BenchmarkSpec
from harness.config.problems import several_values
from harness.config.sections import DatasetSection
from harness.config.yaml_io import show
from harness.errors import BenchError, Problem, nearest
from harness.plugins import catalog
from harness.plugins.signature import Argument, Signature

COMMON_DATASET_KEYS = ("name", *(key for key in DatasetSection.model_fields if key != "name"))


@dataclass
class Checker:
    """Checks each distinct value once, however many configurations share it.

    variant: of the configuration that is looked at; a mistake of several stands at a line of each.
    """

    spec: BenchmarkSpec
    folder: Path
    root: Path
    variant: str | None = None
    problems: list[Problem] = field(default_factory=list)
    known: dict[tuple[str | None, ...], Any] = field(default_factory=dict)

    def entry(self, kind: catalog.Kind, name: str) -> catalog.Entry | None:
        key = ("entry", kind, name, self.variant)
        if key not in self.known:
            self.known[key] = self._find(kind, name)
        return self.known[key]  # type: ignore[no-any-return]

    def _find(self, kind: catalog.Kind, name: str) -> catalog.Entry | None:
        listed = catalog.entries(kind, folder=self.folder)
        if name in listed:
            try:
                self.signature(listed[name])
                return listed[name]
            except BenchError as error:
                self.add(f"{kind}.name", str(error))
                return None
        self.add(
            f"{kind}.name",
            catalog.why_unknown(kind, name, folder=self.folder),
            found=repr(name),
            allowed=", ".join(listed),
            nearest=nearest(name, list(listed)),
        )
        return None

    def add(self, path: str, message: str, **details: Any) -> None:
        """Note a problem at the line where the variant gives a path."""
        self.problems.append(self.spec.problem(path, message, variant=self.variant, **details))

    def signature(self, entry: catalog.Entry) -> Signature:
        key = ("signature", str(entry.file))
        if key not in self.known:
            self.known[key] = catalog.signature(entry)
        return self.known[key]  # type: ignore[no-any-return]

    def value(self, kind: catalog.Kind, argument: Argument, value: Any) -> Any:
        text = json.dumps(value, default=str)
        key = (kind, argument.name, argument.annotation, text, self.variant)
        if key not in self.known:
            self.known[key] = self._checked(f"{kind}.{argument.name}", argument, value)
        return self.known[key]

    def _checked(self, path: str, argument: Argument, value: Any) -> Any:
        try:
            return argument.check(value)
        except ValueError:
            self.add(path, **wrong_value(path, argument, value))
            return value

    def unknown(self, kind: catalog.Kind, name: str, *, entry: catalog.Entry) -> None:
        key = ("unknown", kind, entry.name, name, self.variant)
        if key in self.known:
            return
        self.known[key] = True
        allowed = allowed_keys(kind, self.signature(entry).arguments)
        self.add(
            f"{kind}.{name}",
            f"{entry.label} has no such argument",
            allowed=", ".join(allowed) or "none",
            nearest=nearest(name, allowed),
        )


def allowed_keys(kind: catalog.Kind, arguments: Mapping[str, Argument]) -> list[str]:
    """What a section may hold beside `name`: every dataset's keys, and the file's own arguments."""
    return [*(COMMON_DATASET_KEYS[1:] if kind == "dataset" else ()), *arguments]


def wrong_value(path: str, argument: Argument, value: Any) -> dict[str, Any]:
    """Message, found, allowed and nearest of a value that an argument does not take."""
    allowed = argument.allowed
    if isinstance(value, list) and not allowed.startswith(("list", "tuple")):
        return {"message": several_values(path, value), "allowed": allowed}
    close = nearest(value, allowed.split(", ")) if isinstance(value, str) else None
    found = repr(value) if isinstance(value, str) else show(value)
    return {
        "message": "not a valid value", "found": found, "allowed": allowed, "nearest": close
    }  # fmt: skip

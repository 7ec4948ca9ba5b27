"""A benchmark file as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, StringConstraints

from harness.config.limits import FOLDS
from harness.config.problems import problem_at
from harness.config.sections import (
    CrossValidation,
    DatasetSection,
    ModelSection,
    Objective,
    Pretraining,
    Published,
    Resources,
    Search,
    Training,
)
from harness.config.space import Domain, Space, identity
from harness.config.yaml_io import Document, KeyPath, show
from harness.errors import Problem

_UNSET: Any = object()


@dataclass(frozen=True)
class Variant:
    """What one space is searched over. A file without `variants` has one, without a name.

    dataset, model, training: a searched path holds its domain's first value, as a representative.
    origins: path -> the key path that gives it in the file.
    """

    name: str | None
    dataset: DatasetSection
    model: ModelSection
    training: Training
    space: Space
    origins: Mapping[str, KeyPath] = field(compare=False, repr=False, default_factory=dict)


class SearchedPath(NamedTuple):
    """The domain of one path alone, in one variant."""

    path: str
    domain: Domain
    variant: str | None


@dataclass(frozen=True)
class BenchmarkSpec:
    """One question: the file's keys, every default filled in.

    name: the file's stem. variants: at least one; `dataset`, `model`, `training` and `space` are
    those of the first. metrics: the objective's is always among them.
    """

    name: str
    file: str
    variants: tuple[Variant, ...]
    document: Document = field(compare=False, repr=False)
    question: Annotated[
        str,
        StringConstraints(min_length=1, strip_whitespace=True),
        Field(description="what the comparison is to answer; the report begins with it"),
    ]
    cross_validation: CrossValidation
    objective: Objective
    pretraining: Pretraining | None = None
    search: Search = field(default_factory=Search)
    metrics: Annotated[
        tuple[str, ...],
        Field(strict=False, description="columns of the tables; the objective's is always there"),
    ] = ()
    seed: Annotated[int, Field(ge=0, description="everything random follows from it")] = 0
    repeats: Annotated[
        int,
        Field(
            ge=1,
            le=FOLDS,
            description="times that all folds are trained, each with seeds of its own and, where "
            "the parts are cut here, with parts cut anew; more may come later",
        ),
    ] = 1
    resources: Resources = field(default_factory=Resources)
    weights: Annotated[
        Literal["best", "all", "none"], Field(description="whose weight files are kept")
    ] = "best"
    predictions: Annotated[
        Literal["all", "none"], Field(description="rows for every validation and test example")
    ] = "all"
    diagnostics: Annotated[
        Literal["none", "layers"],
        Field(description="layers: activations and gradients of each layer, every epoch"),
    ] = "none"
    tracking: Annotated[
        tuple[Literal["tensorboard", "mlflow", "wandb"], ...],
        Field(strict=False, description="where curves are shown while a sweep lasts"),
    ] = ()
    baseline: Annotated[
        dict[str, Any] | str | None,
        Field(description="the configuration that others are compared with; default: the first"),
    ] = None
    published: Annotated[
        tuple[Published, ...],
        Field(strict=False, description="numbers printed elsewhere, shown beside ours"),
    ] = ()

    @property
    def dataset(self) -> DatasetSection:
        """Return the dataset of the first variant."""
        return self.variants[0].dataset

    @property
    def model(self) -> ModelSection:
        """Return the model of the first variant."""
        return self.variants[0].model

    @property
    def training(self) -> Training:
        """Return the training of the first variant."""
        return self.variants[0].training

    @property
    def space(self) -> Space:
        """Return the space of the first variant."""
        return self.variants[0].space

    @property
    def domains(self) -> tuple[SearchedPath, ...]:
        """Return every searched path with its own domain; linked ones one by one."""
        return tuple(
            SearchedPath(path, parameter.column(path), variant.name)
            for variant in self.variants
            for parameter in variant.space.parameters
            for path in parameter.paths
        )

    def problem(
        self,
        path: str,
        message: str,
        *,
        variant: str | None = None,
        value: Any = _UNSET,
        found: str | None = None,
        allowed: str | None = None,
        nearest: str | None = None,
    ) -> Problem:
        """Return a problem at the line that gives a dotted path, in its section or in the space.

        Args:
            path: Such as `training.lr`.
            message: What is wrong.
            variant: Whose path; the first that has it where not given.
            value: One of a searched path's choices; the problem is then at its line.
            found: What the file has, where not the value.
            allowed: What it could have.
            nearest: What was probably meant.
        """
        place = self._place(path, variant)
        if value is not _UNSET:
            place = self._place_of_value(place, path, value)
            found = show(value) if found is None else found
        return problem_at(
            self.document, place, message, found=found, allowed=allowed, nearest=nearest
        )

    def _place(self, path: str, variant: str | None) -> KeyPath:
        for candidate in self.variants:
            if path in candidate.origins and variant in (None, candidate.name):
                return candidate.origins[path]
        keys = tuple(path.split("."))
        if variant is not None and ("variants", variant, keys[0]) in self.document.lines:
            return ("variants", variant, *keys)
        return keys

    def _place_of_value(self, place: KeyPath, path: str, value: Any) -> KeyPath:
        """Return the place of one choice where the path is searched, of a linked one its row."""
        if len(place) < 2 or place[-2] != "space":
            return place
        domain: Any = self.document.value
        for key in place:
            domain = domain[key]
        for index, choice in enumerate(domain if isinstance(domain, list) else ()):
            paths = [linked.strip() for linked in str(place[-1]).split(",")]
            own = choice[paths.index(path)] if len(paths) > 1 else choice
            if identity(own) == identity(value):
                return (*place, index)
        return place

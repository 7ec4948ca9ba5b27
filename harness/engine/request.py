"""From the options of a call to what all its steps work on: file, folder, data, clock.

Also what `--smoke` changes: the same path through everything, in as little time as it takes.
"""

import contextlib
import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from data_prep.examples import Description
from harness.config.benchmark import BenchmarkSpec
from harness.config.read import find_benchmark, hides_shipped
from harness.config.sections import CrossValidation, Pretraining
from harness.data.folds import DEFAULT_SIZE
from harness.data.paths import default_data_root, named_data_root
from harness.engine.checks import read_checked
from harness.engine.options import RunOptions
from harness.engine.resolve import resolve
from harness.events import Note, OnEvent
from harness.plugins import catalog

SMOKE_CONFIGURATIONS = 2
SMOKE_BATCH_SIZE = 4
EXAMPLES_PER_PART = 2


class Clock:
    """Measures the seconds of named steps.

    Attributes:
        timings_s: Step -> seconds, in the order in which they first ended.
    """

    def __init__(self) -> None:
        """Begin with no step."""
        self.timings_s: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Add the seconds of a block to a step."""
        started = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - started
            self.timings_s[step] = round(self.timings_s.get(step, 0.0) + spent, 3)


@dataclass(frozen=True, eq=False)
class Request:
    """What every step of one call of `bench run` is given.

    Attributes:
        options: As they were typed.
        spec: The validated file.
        folder: Of the benchmark's results; absolute, since workers may run elsewhere.
        root: Of the raw data.
        on_event: Receives what the run does.
        clock: Of its steps.
    """

    options: RunOptions
    spec: BenchmarkSpec
    folder: Path
    root: Path
    on_event: OnEvent
    clock: Clock = field(default_factory=Clock)

    @property
    def command(self) -> str:
        """What was typed, as far as it decides which trials there are."""
        return shlex.join(["bench", "run", self.options.file, *self.options.overrides])

    @property
    def may_download(self) -> bool:
        """Whether data that is missing is made; a folder that the user named is theirs to fill."""
        return not (named_data_root(self.options.data) or self.options.dry_run)

    @property
    def limit(self) -> int | None:
        """How many missing trials are trained at most."""
        if self.options.smoke and self.options.limit is None:
            return SMOKE_CONFIGURATIONS
        return self.options.limit

    @property
    def hidden_benchmark(self) -> tuple[str, ...]:
        """The file's name where it is used in place of a shipped one."""
        file = Path(self.spec.file)
        hides = hides_shipped(self.options.file, file, shipped=catalog.SHIPPED_BENCHMARKS)
        return (f"benchmarks/{file.name}",) if hides else ()

    def note(self, lines: Iterable[str]) -> None:
        """Pass on what a user should know, a line each."""
        for line in lines:
            self.on_event(Note(line))


def read_request(options: RunOptions, on_event: OnEvent, clock: Clock | None = None) -> Request:
    """Read and validate the file, with the overrides of the command line and of `--smoke`.

    Raises:
        SpecError: The file has mistakes.
        BenchError: There is no such file.
    """
    root = default_data_root(options.data)
    file = find_benchmark(options.file, shipped=catalog.SHIPPED_BENCHMARKS)
    spec = read_checked(file, options.all_overrides)
    results = options.results.resolve()
    if options.smoke:
        description = resolve(spec, root=root)[0].description
        overrides = (*options.all_overrides, *smoke_overrides(spec, description))
        spec = read_checked(file, overrides)
        results = results / "_smoke"
    return Request(options, spec, results / spec.name, root, on_event, clock or Clock())


def smoke_overrides(spec: BenchmarkSpec, description: Description) -> Sequence[str]:
    """Return overrides for one epoch of small batches on the fewest examples that folds allow.

    Args:
        spec: The benchmark as it is written.
        description: Of its first configuration's dataset.
    """
    splits = _fewest_splits(spec.cross_validation)
    parts = max(len(description.parts), splits or 0, 2)
    needed = max(parts * EXAMPLES_PER_PART, len(description.class_names))
    if spec.cross_validation.strategy in ("stratified", "group", "kfold"):
        needed = max(needed, parts * len(description.class_names))
    if spec.pretraining is not None:
        needed = _beside_pretraining(needed, spec, spec.pretraining)
    limit = min(needed, spec.dataset.limit or needed, description.n_examples)
    batch_size = min(SMOKE_BATCH_SIZE, spec.training.batch_size)
    return (
        "training.epochs=1",
        "training.warmup_epochs=0",
        f"training.batch_size={batch_size}",
        f"dataset.limit={limit}",
        "repeats=1",
        *([f"cross_validation.n_splits={splits}"] if splits else []),
        *_of_holdout(spec.cross_validation),
        *_of_pretraining(spec.pretraining),
        *(["search.scheduler=none"] if spec.search.pruning else []),
    )


def _fewest_splits(section: CrossValidation) -> int | None:
    """Return the fewest parts for such a test; None where the dataset's own are used."""
    if section.n_splits is None:
        return None
    if isinstance(section.test_fold, int):
        return max(3, section.test_fold)
    return 2 if section.test_fold in ("official", "none") else 3


def _of_holdout(section: CrossValidation) -> Sequence[str]:
    """Replace numbers of examples, of which few are left, by fractions."""
    sizes = {"validation_size": section.validation_size, "test_size": section.test_size}
    counts = [key for key, size in sizes.items() if isinstance(size, int)]
    return tuple(f"cross_validation.{key}={DEFAULT_SIZE}" for key in counts)


def _beside_pretraining(needed: int, spec: BenchmarkSpec, section: Pretraining) -> int:
    """Return how many examples leave `needed` to the folds; the limit gives test as many."""
    left = ceil(needed / (1 - section.share))
    return 2 * left if spec.cross_validation.test_fold == "official" else left


def _of_pretraining(section: Pretraining | None) -> Sequence[str]:
    if section is None:
        return ()
    batch_size = min(SMOKE_BATCH_SIZE, section.batch_size)
    numbers = {"epochs": 1, "warmup_epochs": 0, "batch_size": batch_size}
    return tuple(f"pretraining.{key}={value}" for key, value in numbers.items())

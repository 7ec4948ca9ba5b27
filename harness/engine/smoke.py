"""What `--smoke` changes: the same path through everything, in as little time as it takes."""

from collections.abc import Sequence
from math import ceil

from data_prep.examples import Description
from harness.config.benchmark import BenchmarkSpec
from harness.config.sections import CrossValidation, Pretraining
from harness.data.folds import DEFAULT_SIZE

SMOKE_CONFIGURATIONS = 2
SMOKE_BATCH_SIZE = 4
EXAMPLES_PER_PART = 2


def smoke_overrides(spec: BenchmarkSpec, description: Description) -> Sequence[str]:
    """Overrides for one epoch of small batches on the fewest examples that the folds allow."""
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
    """As few parts as can be cut for such a test; None where the dataset's own are used."""
    if section.n_splits is None:
        return None
    if isinstance(section.test_fold, int):
        return max(3, section.test_fold)
    return 2 if section.test_fold in ("official", "none") else 3


def _of_holdout(section: CrossValidation) -> Sequence[str]:
    """A fraction for every number of examples, of which few are left."""
    sizes = {"validation_size": section.validation_size, "test_size": section.test_size}
    counts = [key for key, size in sizes.items() if isinstance(size, int)]
    return tuple(f"cross_validation.{key}={DEFAULT_SIZE}" for key in counts)


def _beside_pretraining(needed: int, spec: BenchmarkSpec, section: Pretraining) -> int:
    """So many examples that `needed` are left to the folds; the limit gives test as many."""
    left = ceil(needed / (1 - section.share))
    return 2 * left if spec.cross_validation.test_fold == "official" else left


def _of_pretraining(section: Pretraining | None) -> Sequence[str]:
    if section is None:
        return ()
    batch_size = min(SMOKE_BATCH_SIZE, section.batch_size)
    numbers = {"epochs": 1, "warmup_epochs": 0, "batch_size": batch_size}
    return tuple(f"pretraining.{key}={value}" for key, value in numbers.items())

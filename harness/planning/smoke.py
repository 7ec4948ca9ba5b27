"""What `--smoke` changes: the same path through everything, in as little time as it takes."""

from collections.abc import Sequence

from data_prep.examples import Description
from harness.spec.benchmark import BenchmarkSpec

SMOKE_CONFIGURATIONS = 2
SMOKE_BATCH_SIZE = 8
EXAMPLES_PER_PART = 4


def smoke_overrides(spec: BenchmarkSpec, description: Description) -> Sequence[str]:
    """Overrides for one epoch of small batches on the fewest examples that the folds allow."""
    parts = max(len(description.parts), spec.cross_validation.n_splits or 0, 2)
    needed = parts * EXAMPLES_PER_PART
    if spec.cross_validation.strategy in ("stratified", "group", "kfold"):
        needed = max(needed, parts * len(description.class_names))
    limit = min(needed, spec.dataset.limit or needed, description.n_examples)
    batch_size = min(SMOKE_BATCH_SIZE, spec.training.batch_size)
    return (
        "training.epochs=1",
        "training.warmup_epochs=0",
        f"training.batch_size={batch_size}",
        f"dataset.limit={limit}",
        "repeats=1",
    )

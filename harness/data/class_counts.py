"""Classes that have fewer train examples than a file asks for."""

import numpy as np

from harness.data.types import TrialData

NAMED = 5


def shortfall(data: TrialData, train_per_class: int | None) -> str | None:
    """What a user should know where `dataset.train_per_class` asks for more than a fold has.

    None where every class has as many in every fold. The numbers are those of the smallest fold.
    """
    if train_per_class is None:
        return None
    n_classes = len(data.class_names)
    counts = [np.bincount(data.targets[fold.train], minlength=n_classes) for fold in data.folds]
    fewest = np.min(counts, axis=0)
    short = [(data.class_names[one], int(fewest[one])) for one in np.argsort(fewest, kind="stable")
             if fewest[one] < train_per_class]  # fmt: skip
    if not short:
        return None
    named = ", ".join(f"{name} {count:,}" for name, count in short[:NAMED])
    hidden = f" and {len(short) - NAMED} more classes" if len(short) > NAMED else ""
    return (
        f"dataset.train_per_class: {train_per_class:,} train examples a class are asked for; "
        f"there are fewer of {named}{hidden}"
    )

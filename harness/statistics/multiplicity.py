"""The level of significance, and p-values adjusted for how many differences are looked at."""

from collections.abc import Sequence

ALPHA = 0.05


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjust p-values for their number (Holm 1979).

    SciPy has no Holm, and statsmodels, which has, is no dependency.

    Args:
        p_values: One for each comparison; None where none was tested, which does not count.

    Returns:
        The adjusted p-values in the same order, None where there was none.
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for place, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - place) * p))
        adjusted[index] = largest
    return tuple(adjusted)

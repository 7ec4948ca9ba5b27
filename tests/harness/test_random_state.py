"""The global random generators stand afterwards where they stood, whatever drew meanwhile."""

import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch

from harness.random_state import IMPORT_SEED, fixed_random_state, random_state_kept

KEEPING = [random_state_kept, fixed_random_state]


def states() -> tuple[Any, ...]:
    """Where the generators of Python, NumPy and torch stand."""
    numpy = np.random.get_state(legacy=False)["state"]
    return (
        random.getstate(),
        (numpy["key"].tolist(), numpy["pos"]),
        torch.get_rng_state().tolist(),
    )


def drawn() -> tuple[float, float, float]:
    """The next number of each."""
    return random.random(), float(np.random.rand()), float(torch.rand(()))


@pytest.mark.parametrize("keeping", KEEPING)
def test_generators_are_put_back_after_an_error_too(
    keeping: Callable[[], AbstractContextManager[None]],
) -> None:
    before = states()
    with pytest.raises(ValueError), keeping():
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        assert states() != before
        raise ValueError
    assert states() == before


def test_what_is_kept_is_not_seeded() -> None:
    """What is drawn inside is what would have been drawn outside."""
    with random_state_kept():
        inside = drawn()
    assert drawn() == inside


def test_a_fixed_state_gives_the_numbers_of_its_seed() -> None:
    """Wherever the generators stood."""
    expected = (
        random.Random(IMPORT_SEED).random(),
        float(np.random.RandomState(IMPORT_SEED).rand()),
        float(torch.rand((), generator=torch.Generator().manual_seed(IMPORT_SEED))),
    )
    for _ in range(2):
        drawn()
        with fixed_random_state():
            assert drawn() == expected


def test_no_library_is_imported_for_it() -> None:
    """Light commands stay light."""
    script = (
        "import sys\nfrom harness.random_state import fixed_random_state\n"
        "with fixed_random_state(): pass\n"
        "print([name for name in ('numpy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

"""Every seed follows from a hash of names and numbers, and is equal on every machine."""

import hashlib
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

IMPORT_SEED = 0  # of what a user's file draws while it is imported


def derive(*parts: int | str) -> int:
    """A 63-bit seed from the given parts: sha256 over their text."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def derive_32(*parts: int | str) -> int:
    """The same in 32 bits, for scikit-learn and NumPy."""
    return derive(*parts) >> 31


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Put the global random generators of Python, NumPy and torch back where they stood.

    A library that nobody has imported, or a GPU that nobody has used, is not touched for this.
    """
    python, numpy, torch = random.getstate(), sys.modules.get("numpy"), sys.modules.get("torch")
    arrays = None if numpy is None else numpy.random.get_state()
    tensors = None if torch is None else torch.default_generator.get_state()
    on_gpu = torch is not None and torch.cuda.is_initialized()
    devices = torch.cuda.get_rng_state_all() if torch is not None and on_gpu else []
    try:
        yield
    finally:
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(arrays)
        if torch is not None:
            torch.default_generator.set_state(tensors)
        if torch is not None and on_gpu:
            torch.cuda.set_rng_state_all(devices)


@contextmanager
def fixed_random_state() -> Iterator[None]:
    """Seed the same generators with one seed, and put them back where they stood."""
    with random_state_kept():
        random.seed(IMPORT_SEED)
        if (numpy := sys.modules.get("numpy")) is not None:
            numpy.random.seed(IMPORT_SEED)
        if (torch := sys.modules.get("torch")) is not None:
            torch.default_generator.manual_seed(IMPORT_SEED)
            if torch.cuda.is_initialized():
                torch.cuda.manual_seed_all(IMPORT_SEED)
        yield

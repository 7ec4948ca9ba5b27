"""Every seed follows from a hash of names and numbers, and is equal on every machine."""

import hashlib


def derive(*parts: int | str) -> int:
    """A 63-bit seed from the given parts: sha256 over their text."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def derive_32(*parts: int | str) -> int:
    """The same in 32 bits, for scikit-learn and NumPy."""
    return derive(*parts) >> 31

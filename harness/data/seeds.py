"""Seeds of everything that data preparation draws, from hashes alone."""

import hashlib


def derive(*parts: int | str) -> int:
    """A 32-bit seed from sha256 over the parts' text: equal on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

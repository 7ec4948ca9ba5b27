"""What an unquoted scalar means: YAML 1.2 numbers, lower-case booleans and null, else text."""

import math
import re
from typing import Any

_NULLS = ("", "~", "null")
_BOOLEANS = {"true": True, "false": False}
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NUMBER_START = frozenset("+-.0123456789")


def plain_value(text: str) -> Any:
    """The value of an unquoted scalar; ValueError for a number that no table can hold."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] not in _NUMBER_START:
        return text
    if INTEGER.fullmatch(text):
        if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
            raise ValueError("an integer must fit 64 bits")
        return int(text)
    if FLOAT.fullmatch(text) or NOT_FINITE.fullmatch(text):
        number = math.inf if NOT_FINITE.fullmatch(text) else float(text)
        if not math.isfinite(number):
            raise ValueError("a number must be finite; quote it if it is text")
        return number
    return text

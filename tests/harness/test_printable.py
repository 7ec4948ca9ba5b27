"""What a terminal would obey is not shown to it."""

import pytest

from harness.printable import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ResNet-18 ± 0.5", "ResNet-18 ± 0.5"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("猫, naïve, 🐕", "猫, naïve, 🐕"),
        ("\x1b[31mred", "\N{REPLACEMENT CHARACTER}[31mred"),
        ("\x1b]0;title\x07", "\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}"),
        ("over\rwritten", "over\N{REPLACEMENT CHARACTER}written"),
        ("\x9b31m", "\N{REPLACEMENT CHARACTER}31m"),
        ("model\u202egpj.py", "model\N{REPLACEMENT CHARACTER}gpj.py"),
    ],
)
def test_commands_are_replaced_and_letters_stay(text: str, expected: str) -> None:
    """Of any language."""
    assert printable(text) == expected

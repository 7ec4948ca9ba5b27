"""Text from files and other people's folders, as a terminal may show it."""

import unicodedata

_KEPT = "\n\t"
_COMMANDS = frozenset({"Cc", "Cf", "Cs"})  # control, invisible formatting, halves of characters


def printable(text: str) -> str:
    """The text with a replacement character for what a terminal would obey instead of showing.

    Escape sequences move the cursor, change its title or what was printed; marks of writing
    direction make a name look like another one.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if one not in _KEPT and _is_command(one) else one
        for one in text
    )


def _is_command(one: str) -> bool:
    return unicodedata.category(one) in _COMMANDS

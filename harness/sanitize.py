"""Text from files and other people's folders, as terminals, documents and spreadsheets show it."""

import unicodedata

# What spreadsheets take for a formula's beginning, also in its full width; an apostrophe is marked
# too, so that taking one away gives every text back as it was.
_MARKED = tuple("=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20")
_KEPT = "\n\t"
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # Persian and Hindi are spelt with them
DOCUMENT = _KEPT + JOINERS  # what a document, other than a terminal, keeps
_COMMANDS = frozenset({"Cc", "Cf", "Cs"})  # control, invisible formatting, halves of characters


def printable(text: str, *, kept: str = _KEPT) -> str:
    """The text with a replacement character for what a terminal would obey instead of showing.

    Escape sequences move the cursor, change its title or what was printed; marks of writing
    direction make a name look like another one. kept: such characters that may stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if one not in kept and _is_command(one) else one for one in text
    )


def csv_text(text: str) -> str:
    """The text as a CSV cell: `'` goes before what a spreadsheet would calculate.

    For texts alone, numbers stay numbers. A reader takes one leading `'` away and has the text.
    """
    return f"'{text}" if text.startswith(_MARKED) else text


def _is_command(one: str) -> bool:
    return unicodedata.category(one) in _COMMANDS

"""What the YAML parser stumbled over, in words that say where to look."""

import yaml

CURES = {
    "mapping values are not allowed": (
        "a `key: value` can't begin here: look for a line that is indented differently from its "
        "neighbours, for `key:value` or `key value` in the line above, and for text with `: ` in "
        'it, which needs quotes ("like: this")'
    ),
    "did not find expected key": (
        "a `key: value` is expected here: look for a line that is indented differently from its "
        "neighbours and for an unclosed bracket or quote above"
    ),
    "did not find expected ',' or": "a comma or a closing bracket is missing here or above",
    "could not find expected ':'": "`: ` is missing after a key, here or in the line above",
    "cannot start any token": "text that begins with this character needs quotes",
}
UNCLOSED = "a quote opens here and never closes"


def syntax_error(error: Exception, text: str) -> tuple[str, int | None]:
    """The message and the line (from 1) of an error that PyYAML raised about a text."""
    if isinstance(error, yaml.MarkedYAMLError):
        return _marked(error, text)
    if isinstance(error, UnicodeError):
        return "not valid text: it holds characters that are not Unicode", None
    return f"not valid YAML: {getattr(error, 'reason', error)}", _line_of(error, text)


def _marked(error: yaml.MarkedYAMLError, text: str) -> tuple[str, int | None]:
    context, problem = error.context or "", error.problem or "unreadable"
    if "quoted scalar" in context and error.context_mark:
        return f"not valid YAML: {UNCLOSED}", error.context_mark.line + 1
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    if _indented_by_tab(text, line):
        return "a tab cannot indent: use spaces", line
    cure = next((cure for words, cure in CURES.items() if words in problem), None)
    told = cure or (f"{context}, {problem}" if context else problem)
    return f"not valid YAML: {told}", line


def _indented_by_tab(text: str, line: int | None) -> bool:
    lines = text.split("\n")
    found = lines[line - 1] if line is not None and line <= len(lines) else ""
    return "\t" in found[: len(found) - len(found.lstrip())]


def _line_of(error: Exception, text: str) -> int | None:
    position = getattr(error, "position", None)
    if not isinstance(position, int) or position < 0:
        return None
    return text.encode("utf-8", "replace")[:position].count(b"\n") + 1

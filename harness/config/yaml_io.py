"""Benchmark files as YAML: text to plain values with their lines, and values back to text.

Numbers follow YAML 1.2 (`1e-4` is a number, `0777`, `1:30` and dates are text); only `true` and
`false` are booleans; `null`, `~` and nothing are null. Anchors, aliases, tags and `<<` are refused.

Values are built from the events of PyYAML's C parser, which carry the lines, name every duplicate
key and stop at a limit before an alias is followed. ruamel.yaml gives lines to its round-trip
loader alone, which is pure Python and would need the same refusals written on top.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.errors import MOST_PROBLEMS, Problem, SpecError

KeyPath = tuple[str | int, ...]
COMMAND_LINE = "command line"
_MAX_DEPTH = 30  # the shipped files nest 7 deep; a hostile one might without end
_SKIPPED = "\0skipped"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = ("", "~", "null")
_BOOLEANS = {"true": True, "false": False}
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NUMBER_START = frozenset("+-.0123456789")
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
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class Document:
    """A parsed file: its plain value and the line of each key path.

    lines: key path -> line, counted from 1; `()` is the whole.
    overridden: key paths given on the command line instead.
    """

    value: dict[str, Any]
    lines: dict[KeyPath, int]
    file: str
    overridden: frozenset[KeyPath] = frozenset()

    def place(self, path: KeyPath) -> tuple[str, int | None]:
        """Return file and line of a key path, or of the nearest enclosing one that is there."""
        if any(given[: len(path)] == path for given in self.overridden) and path not in self.lines:
            return COMMAND_LINE, None
        for length in range(len(path), -1, -1):
            if path[:length] in self.overridden:
                return COMMAND_LINE, None
            if path[:length] in self.lines:
                return self.file, self.lines[path[:length]]
        return self.file, None

    def has(self, path: KeyPath) -> bool:
        """Return whether the file or the command line gives exactly this key path."""
        return path in self.lines or path in self.overridden

    def is_overridden(self, path: KeyPath) -> bool:
        """Return whether the command line gives this key path or a mapping around it."""
        return any(path[:length] in self.overridden for length in range(1, len(path) + 1))


def parse(text: str, file: str) -> Document:
    """Read a YAML mapping: its plain values and their lines.

    Args:
        text: The YAML text.
        file: Its name in errors.

    Raises:
        SpecError: The text has problems; all of them.
    """
    document, problems = scan(text, file)
    if problems:
        raise SpecError(problems)
    return document


def scan(text: str, file: str, *, most_values: int | None = None) -> tuple[Document, list[Problem]]:
    """Read a YAML mapping as `parse` does, and return the mistakes that reading can pass over.

    These are keys that aren't text, and duplicate ones.

    Args:
        text: The YAML text.
        file: Its name in errors.
        most_values: Keys and values, containers included, that the text may have; None: any number.

    Raises:
        SpecError: The text has no usable value, more values, or MOST_PROBLEMS problems.
    """
    composer = _composed(text, file, most_values)
    if composer.root is None:
        composer.fail("the file is empty", None)
    elif not isinstance(composer.root, dict):
        kind = "a list" if isinstance(composer.root, list) else show(composer.root)
        composer.fail("a benchmark file is a mapping of keys", composer.lines[()], found=kind)
    if composer.broken:
        raise SpecError(composer.problems)
    return Document(composer.root, composer.lines, file), composer.problems


def parse_value(text: str, file: str = COMMAND_LINE) -> Any:
    """Read one YAML value, such as the right side of `key=value`.

    Raises:
        SpecError: The text is no value.
    """
    composer = _composed(text, file)
    if composer.problems:
        raise SpecError(composer.problems)
    return composer.root


def dotted(path: KeyPath) -> str:
    """Return a key path as people write it: `published[0].epoch`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def plain_value(text: str) -> Any:
    """Return the value of an unquoted scalar.

    Raises:
        ValueError: It is a number that no table can hold.
    """
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


def syntax_error(error: Exception, text: str) -> tuple[str, int | None]:
    """Return the message and the line (from 1) of an error that PyYAML raised about a text."""
    if isinstance(error, yaml.MarkedYAMLError):
        return _marked(error, text)
    if isinstance(error, UnicodeError):
        return "not valid text: it holds characters that are not Unicode", None
    return f"not valid YAML: {getattr(error, 'reason', error)}", _line_of(error, text)


def dump(value: Any, *, flow: bool = False) -> str:
    """Write YAML text that `parse` reads back to an equal value.

    Args:
        value: Plain data.
        flow: On one line, in brackets and braces.
    """
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100 if not flow else 10**6,
        default_flow_style=flow,
    )
    return text


def show(value: Any) -> str:
    """Return a value as the file would spell it, at most 60 characters of it."""
    if isinstance(value, float):
        return repr(value)
    text = dump(value, flow=True).removesuffix("\n").removesuffix("\n...").replace("\n", " ")
    text = text.strip() or "''"
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass
class _Frame:
    """A container that is still open; `key` is the mapping key that waits for its value."""

    container: Any
    path: KeyPath
    key: str | None = None


@dataclass
class _Composer:
    """Builds plain values from parser events, without recursion."""

    file: str
    root: Any = None
    broken: bool = False
    documents: int = 0
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    most_values: int | None = None
    n_values: int = 0

    def fail(
        self, message: str, line: int | None, *, found: str | None = None, broken: bool = True
    ) -> None:
        self.problems.append(Problem(message, file=self.file, line=line, found=found))
        self.broken = self.broken or broken

    def take(self, event: Any) -> bool:
        """Take one event; False stops the reading."""
        line = event.start_mark.line + 1
        self.n_values += isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if self.most_values is not None and self.n_values > self.most_values:
            text = f"more than {self.most_values:,} keys and values, the most that is read"
            self.fail(text, line)
            return False
        if len(self.problems) >= MOST_PROBLEMS:
            raise SpecError(self.problems, ended_early=True)
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_extras(event, line)
            self._scalar(event, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._refuse_extras(event, line)
            container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            self.stack.append(_Frame(container, self._place(container, line)))
        elif isinstance(event, yaml.CollectionEndEvent):
            self.stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            self.fail("aliases are not supported: write the value out", line, found=event.anchor)
            return False
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.fail("several documents in one file: keep one, without `---`", line)
        if len(self.stack) > _MAX_DEPTH:
            self.fail(f"nested more than {_MAX_DEPTH} deep", line)
        return self.documents <= 1 and len(self.stack) <= _MAX_DEPTH

    def _refuse_extras(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self.fail("anchors are not supported", line, found=f"&{event.anchor}")
        if event.tag not in (None, "!"):
            self.fail("tags are not supported", line, found=str(event.tag))

    def _scalar(self, event: Any, line: int) -> None:
        text = event.value
        try:
            value = plain_value(text) if event.implicit[0] else text
        except ValueError as error:
            self.fail(str(error), line, found=text if len(text) <= 40 else text[:37] + "...")
            value = None
        frame = self.stack[-1] if self.stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            self._key(frame, value, line, merge=text == "<<" and event.implicit[0])
        else:
            self._place(value, line)

    def _key(self, frame: _Frame, key: Any, line: int, *, merge: bool) -> None:
        frame.key = _SKIPPED
        if merge:
            self.fail("merge keys are not supported: write the keys out", line, found="<<")
        elif not isinstance(key, str):
            self.fail("a key must be text", line, found=show(key), broken=False)
        elif key in frame.container:
            first = self.lines[(*frame.path, key)]
            path = dotted((*frame.path, key))
            message = f"duplicate key: given in line {first} and again in line {line}"
            self.problems.append(Problem(message, path=path, file=self.file, line=line))
        else:
            frame.key = key
            self.lines[(*frame.path, key)] = line

    def _place(self, value: Any, line: int) -> KeyPath:
        """Put a finished scalar or an opened container where it belongs."""
        if not self.stack:
            self.root = value
            self.lines[()] = line
            return ()
        frame = self.stack[-1]
        if isinstance(frame.container, list):
            path = (*frame.path, len(frame.container))
            frame.container.append(value)
            self.lines[path] = line
            return path
        if frame.key is None:
            self.fail("a key must be text, not a list or a mapping", line)
            frame.key = _SKIPPED
            return (*frame.path, _SKIPPED)
        path = (*frame.path, frame.key)
        if frame.key != _SKIPPED:
            frame.container[frame.key] = value
        frame.key = None
        return path


def _composed(text: str, file: str, most_values: int | None = None) -> _Composer:
    composer = _Composer(file, most_values=most_values)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if not composer.take(event):
                break
    except (yaml.YAMLError, UnicodeError) as error:
        composer.fail(*syntax_error(error, text))
    if composer.broken:
        raise SpecError(composer.problems)
    return composer


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


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Quotes exactly the text that `plain_value` would read as something else."""

    yaml_implicit_resolvers: dict[str | None, list[Any]] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_list(dumper: Any, data: Any) -> Any:
    inline = not any(isinstance(item, dict) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=inline or None)


def _teach(dumper: Any) -> None:
    for tag, pattern, first in (
        ("null", re.compile(r"^(~|null|)$"), ["~", "n", ""]),
        ("merge", re.compile(r"^(<<)$"), ["<"]),
        ("bool", re.compile(r"^(true|false)$"), ["t", "f"]),
        ("int", re.compile(rf"^({INTEGER.pattern})$"), list("-+0123456789")),
        (
            "float",
            re.compile(rf"^({FLOAT.pattern}|{NOT_FINITE.pattern})$"),
            list("-+.0123456789"),
        ),
    ):
        dumper.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, first)
    dumper.add_representer(list, _represent_list)
    dumper.add_representer(tuple, _represent_list)


_teach(_Dumper)

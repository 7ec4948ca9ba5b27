"""What a model's `build` or a dataset's `load` accepts, read from the file without importing it."""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Optional, Union

from pydantic import TypeAdapter, ValidationError

from harness.errors import BenchError

PLAIN: Mapping[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "None": None}
GENERIC: Mapping[str, Any] = {
    "list": list,
    "tuple": tuple,
    "Literal": Literal,
    "Optional": Optional,
}
WORDS = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "text"}
ALLOWED = "int, float, bool, str, Literal, None, list, tuple"


@dataclass(frozen=True)
class Argument:
    """One keyword argument: its annotation as written and its literal default."""

    name: str
    annotation: str
    default: Any = None
    required: bool = False

    def check(self, value: Any) -> Any:
        """Return the value as the annotation's type.

        Raises:
            ValueError: It is no such value; the message says what is allowed.
        """
        try:
            # Strict JSON mode takes a YAML list for a tuple and 1 for a float, but not 1 for true.
            return _adapter(self.annotation).validate_json(json.dumps(value), strict=True)
        except (ValidationError, TypeError, ValueError):
            raise ValueError(f"must be {self.allowed}") from None

    @property
    def allowed(self) -> str:
        """Return what the annotation allows, for people: `an integer`, or `first, none`."""
        return annotation_in_words(self.annotation)


@dataclass(frozen=True)
class Signature:
    """The keyword arguments of one function, in the file's order."""

    file: Path
    function: str
    arguments: Mapping[str, Argument]

    def defaults(self) -> dict[str, Any]:
        """Return name -> default of every argument that has one."""
        return {arg.name: arg.default for arg in self.arguments.values() if not arg.required}


def read_signature(file: Path, function: str, *, given: tuple[str, ...]) -> Signature | None:
    """Read the signature of a plain top-level `def` without importing its file.

    Args:
        file: A model or a dataset.
        function: `build` or `load`.
        given: Arguments that the harness supplies, such as `root`; they are left out.

    Returns:
        The signature, None where the file has no such function.

    Raises:
        BenchError: The file can't be parsed or an argument breaks the rule.
    """
    node = _functions(syntax_tree(file)).get(function)
    if node is None:
        return None
    return Signature(file, function, {arg.name: arg for arg in _arguments(file, node, given)})


def annotation_in_words(annotation: str) -> str:
    """Return `an integer, or null` for `int | None`; what has no simple words stays as it is."""
    return _words(ast.parse(annotation, mode="eval").body)


def syntax_tree(file: Path) -> ast.Module:
    """Parse the file.

    Raises:
        BenchError: It can't be read, or has a syntax error, whose line is named.
    """
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise BenchError(f"{file}:{error.lineno}: {error.msg}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{file}: can't be read: {error}") from None


def defines(file: Path, function: str) -> bool:
    """Return whether the file has a plain top-level `def` of that name."""
    return function in _functions(syntax_tree(file))


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _arguments(file: Path, node: ast.FunctionDef, given: tuple[str, ...]) -> list[Argument]:
    if node.args.vararg or node.args.kwarg:
        raise BenchError(f"{file}:{node.lineno}: {node.name} may not take *args or **kwargs")
    if {arg.arg for arg in node.args.args} - set(given):
        raise BenchError(f"{file}:{node.lineno}: arguments of {node.name} must be keyword-only")
    keywords = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return [
        _argument(file, node, arg, default) for arg, default in keywords if arg.arg not in given
    ]


def _argument(
    file: Path, node: ast.FunctionDef, arg: ast.arg, default: ast.expr | None
) -> Argument:
    place = f"{file}:{arg.lineno}: argument {arg.arg!r} of {node.name}"
    if arg.annotation is None:
        raise BenchError(f"{place} needs an annotation from {ALLOWED}")
    annotation = ast.unparse(arg.annotation).replace("typing.", "")
    if default is None:
        return Argument(arg.arg, annotation, required=True)
    try:
        _type_of(ast.parse(annotation, mode="eval").body)
    except ValueError:
        raise BenchError(f"{place}: annotation {annotation} is not from {ALLOWED}") from None
    try:
        return Argument(arg.arg, annotation, ast.literal_eval(default))
    except ValueError:
        text = ast.unparse(default)
        raise BenchError(f"{place}: the default {text} must be a literal value") from None


@lru_cache(maxsize=1024)
def _adapter(annotation: str) -> TypeAdapter[Any]:
    return TypeAdapter(_type_of(ast.parse(annotation, mode="eval").body))


def _type_of(node: ast.expr) -> Any:
    """Return the type that an annotation means; nothing but the allowed words is ever evaluated."""
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _type_of(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.Name) and node.id in PLAIN:
        return PLAIN[node.id]
    if isinstance(node, ast.Name) and node.id in ("list", "tuple"):
        return GENERIC[node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return Union[_type_of(node.left), _type_of(node.right)]  # noqa: UP007 (values, not syntax)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return _generic(node.value.id, node.slice)
    raise ValueError(ast.unparse(node))


def _words(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and node.value is None:
        return "null"
    if isinstance(node, ast.Name):
        return WORDS.get(node.id, node.id)
    if isinstance(node, ast.BinOp):
        return f"{_words(node.left)}, or {_words(node.right)}"
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return ", ".join(str(ast.literal_eval(part)) for part in parts)
    return ast.unparse(node)


def _generic(name: str, inner: ast.expr) -> Any:
    if name not in GENERIC:
        raise ValueError(name)
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        return Literal[tuple(ast.literal_eval(part) for part in parts)]
    types = tuple(
        ... if isinstance(part, ast.Constant) and part.value is ... else _type_of(part)
        for part in parts
    )
    return GENERIC[name][types if len(types) > 1 else types[0]]

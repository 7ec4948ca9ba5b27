"""From a benchmark's name to its file, and from the file to one frozen value or all problems."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ValidationError

from harness.config.benchmark import BenchmarkSpec, Variant
from harness.config.checks import (
    check_baseline,
    check_cross_validation,
    check_metrics,
    check_pretraining,
    check_published,
    check_repeats,
    check_search,
    check_variant,
)
from harness.config.dump_resolved import dump_resolved
from harness.config.expand import configurations
from harness.config.fields import SECTIONS, placed, strict_adapter
from harness.config.limits import FILE_BYTES, VALUES
from harness.config.overrides import override
from harness.config.problems import MISSING, Problems
from harness.config.sections import DatasetSection, Published, Search, Training
from harness.config.variants import SEARCH_KEYS, Draft, read_drafts, typed_variant
from harness.config.yaml_io import scan
from harness.errors import BenchError, Problem, SpecError, listed, nearest

__all__ = ["dump_resolved", "parse_benchmark", "read_benchmark"]
SHARED_KEYS = (
    "question",
    "pretraining",
    "cross_validation",
    "search",
    "objective",
    "metrics",
    "seed",
    "repeats",
    "resources",
    "weights",
    "predictions",
    "diagnostics",
    "tracking",
    "baseline",
    "published",
)
"""The keys that all variants of a file share."""
# Beside it in a command stand @RUN, :SELECTOR and key=value; folders with _ are the program's own.
_NAME = re.compile(r"[^\W_][^:@=]*")
TOP_KEYS = ("question", *SECTIONS, *SHARED_KEYS[1:], "variants")
REQUIRED_KEYS = ("question", "cross_validation", "objective")
_SUFFIX = ".yaml"


def read_benchmark(path: Path, overrides: Sequence[str] = ()) -> BenchmarkSpec:
    """Read the benchmark in a file, `key=value` overrides applied.

    Args:
        path: The file.
        overrides: `key=value` texts of the command line; of one key the last counts.

    Raises:
        SpecError: The file has problems; all of them, one being that it is larger than
            `harness.config.limits` allow.
        BenchError: It can't be read.
    """
    return parse_benchmark(
        _text_of(path),
        file=str(path),
        overrides=overrides,
        most_values=VALUES,
    )


def parse_benchmark(
    text: str,
    *,
    file: str,
    overrides: Sequence[str] = (),
    most_values: int | None = None,
) -> BenchmarkSpec:
    """Read the benchmark in a text.

    Args:
        text: The YAML text.
        file: Its name in errors; its stem names the benchmark.
        overrides: `key=value` texts of the command line.
        most_values: Keys and values that the text may have; None: any number.

    Raises:
        SpecError: The text has problems; all of them.
    """
    document, noted = scan(text, file, most_values=most_values)
    document, more = override(document, overrides)
    problems = Problems(document, [*noted, *more])
    if not _NAME.fullmatch(Path(file).stem):
        text = "the file's name is the benchmark's: it begins with a letter or digit, without : @ ="
        problems.add((), text, found=Path(file).name)
    for key in document.value:
        if key not in TOP_KEYS:
            meant = placed(str(key), document.value, _hints())
            problems.unknown((key,), TOP_KEYS, meant=meant)
    shared = _shared_values(problems)
    drafts = read_drafts(problems)
    variants = [typed_variant(draft, problems) for draft in drafts]
    _check_shared(shared, drafts, problems)
    complete = tuple(variant for variant in variants if variant is not None)
    if isinstance(shared.get("search"), Search) and isinstance(shared.get("seed", 0), int):
        _check_variants(complete, shared["search"], shared.get("seed", 0), problems)
    check_pretraining(shared.get("pretraining"), drafts, problems)
    problems.raise_any()
    shared["metrics"] = _with_objective(shared)
    spec = BenchmarkSpec(
        name=Path(file).stem, file=file, variants=complete, document=document, **shared
    )
    if len(complete) > 1:
        configurations(spec)  # the same one in two variants is a mistake of the file
    return spec


def shared_hint(key: str) -> Any:
    """Return the annotation of one of the shared keys."""
    return _hints()[key]


def find_benchmark(name: str, *, shipped: Path) -> Path:
    """Return the file of a benchmark: the path as given, in ./benchmarks, or a shipped one.

    Args:
        name: With or without `.yaml`.
        shipped: Folder of the benchmarks that come with the package.

    Raises:
        BenchError: There is none; the message has the names that are there.
    """
    own = Path("benchmarks")
    candidates = [Path(name), own / name, shipped / name]
    spelled = [spelling for path in candidates for spelling in _spellings(path)]
    for path in spelled:
        if path.is_file():
            return _of_a_benchmark(path)
    known = sorted({path.stem for folder in (own, shipped) for path in folder.glob("[!.]*.yaml")})
    close = nearest(Path(name).stem, known)
    hint = f"; did you mean {close!r}?" if close else ""
    lacking = "a folder, not a file" if _is_folder(name) else "neither a file"
    raise BenchError(
        f"no benchmark {name!r}: {lacking}, nor in ./benchmarks, nor shipped; {listed(known)}{hint}"
    )


def hides_shipped(name: str, file: Path, *, shipped: Path) -> bool:
    """Return whether the file that a bare name led to is in place of a shipped one."""
    bare = Path(name).name == name
    other = shipped / file.name
    return bare and other.is_file() and file.resolve() != other.resolve()


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise BenchError(f"{path}: can't be read: {error.strerror or error}") from None
    if len(content) > FILE_BYTES:
        message = f"larger than {FILE_BYTES:,} bytes, the most that is read"
        raise SpecError([Problem(message, file=str(path))])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = "the file is not UTF-8 text"
        found = f"byte 0x{content[error.start]:02x}"
        raise SpecError([Problem(message, file=str(path), line=line, found=found)]) from None


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(BenchmarkSpec, include_extras=True)


def _shared_values(problems: Problems) -> dict[str, Any]:
    """Return the keys outside the variants, each checked by itself, without those with mistakes."""
    value = problems.document.value
    values: dict[str, Any] = {}
    for key in SHARED_KEYS:
        if key == "published" and isinstance(value.get(key), list):
            values[key] = _published(value[key], problems)
        elif key in value or key == "search":
            raw = value.get(key, {})
            _take(values, key, _without_space(raw) if key == "search" else raw, problems)
        elif key in REQUIRED_KEYS:
            problems.add((key,), MISSING)
    return values


def _take(values: dict[str, Any], key: str, raw: Any, problems: Problems) -> None:
    hint = shared_hint(key)
    try:
        values[key] = strict_adapter(hint).validate_python(raw)
    except ValidationError as error:
        known = SEARCH_KEYS if key == "search" else ()
        problems.refused(error, hint, raw, (key,), more_keys=known)


def _without_space(search: Any) -> Any:
    if not isinstance(search, dict):
        return search
    return {key: value for key, value in search.items() if key not in SEARCH_KEYS}


def _published(rows: list[Any], problems: Problems) -> tuple[Published, ...]:
    """Read row by row, so that a mistake in one hides none in the next."""
    read: list[Published] = []
    for index, row in enumerate(rows):
        try:
            read.append(Published.model_validate(row))
        except ValidationError as error:
            problems.refused(error, Published, row, ("published", index))
            read.append(Published.model_construct(where={}, source="", flaws=()))
    return tuple(read)


def _check_shared(shared: dict[str, Any], drafts: list[Draft], problems: Problems) -> None:
    if "cross_validation" in shared:
        check_cross_validation(shared["cross_validation"], problems)
        check_repeats(shared.get("repeats", 1), shared["cross_validation"], problems)
    if "search" in shared:
        check_search(shared["search"], problems)
    check_metrics(shared.get("objective"), shared.get("metrics"), problems)
    paths = _known_paths(drafts)
    check_baseline(shared.get("baseline"), paths, problems)
    for index, row in enumerate(shared.get("published", ())):
        check_published(row, ("published", index), paths, problems)


def _known_paths(drafts: list[Draft]) -> set[str]:
    typed = {f"training.{key}" for key in Training.model_fields}
    typed |= {f"dataset.{key}" for key in DatasetSection.model_fields}
    return typed.union({"model.name"}, *(draft.paths for draft in drafts))


def _check_variants(
    variants: Sequence[Variant], search: Search, seed: int, problems: Problems
) -> None:
    for variant in variants:
        if search.algorithm == "grid" or search.num_samples is not None:
            check_variant(variant, search, seed, problems)


def _with_objective(shared: dict[str, Any]) -> tuple[str, ...]:
    metrics: tuple[str, ...] = shared.get("metrics", ())
    objective: str = shared["objective"].metric
    return metrics if objective in metrics else (objective, *metrics)


def _of_a_benchmark(path: Path) -> Path:
    if path.suffix == ".py":
        raise BenchError(
            f"{path} is Python, not a benchmark: a YAML file names it, as in `model: "
            f"{{name: {path.stem}}}`; bench new benchmark NAME writes one"
        )
    return path


def _is_folder(name: str) -> bool:
    return name.strip("./") != "" and Path(name).is_dir()


def _spellings(path: Path) -> tuple[Path, ...]:
    if path.suffix in (_SUFFIX, ".yml"):
        return (path,)
    return (path, path.with_name(path.name + _SUFFIX)) if path.name else (path,)

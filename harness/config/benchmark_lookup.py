"""Where a benchmark's name leads: the path as given, ./benchmarks, then the shipped ones."""

from pathlib import Path

from harness.errors import BenchError, listed, nearest

_SUFFIX = ".yaml"


def find_benchmark(name: str, *, shipped: Path) -> Path:
    """The file of a benchmark, with or without `.yaml`.

    shipped: folder of the benchmarks that come with the package. Raises BenchError with the names
    that are there.
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
    """Whether the file that a bare name led to stands in place of a shipped one."""
    bare = Path(name).name == name
    other = shipped / file.name
    return bare and other.is_file() and file.resolve() != other.resolve()


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

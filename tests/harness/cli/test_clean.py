"""`bench clean` removes what was named, after saying so, and nothing else."""

import io
from pathlib import Path

import pytest

from harness.results.lock import hold


@pytest.fixture
def results(user: Path) -> Path:
    """Two benchmarks, a smoke run and a cache, 1,000 bytes of each."""
    files = ("results/rates/weights/a/1-1.pt", "results/rates/runs/r/run.json",
             "results/heads/weights/b/1-1.pt", "results/heads/runs/r/run.json",
             "results/_smoke/rates/runs/r/run.json", "cache/bench/arrays/x.npy",
             "cache/bench/data/raw.bin")  # fmt: skip
    for name in files:
        (user / name).parent.mkdir(parents=True, exist_ok=True)
        (user / name).write_bytes(b"0" * 1000)
    return user / "results"


def left(results: Path) -> set[str]:
    """What is still there, without locks."""
    files = (file for file in results.parent.rglob("*") if file.is_file())
    return {str(file.relative_to(results.parent)) for file in files if file.name != ".lock"}


@pytest.mark.parametrize(
    ("arguments", "gone"),
    [
        (["rates", "--weights"], {"results/rates/weights/a/1-1.pt"}),
        (
            ["rates", "--weights", "--everything"],
            {"results/rates/weights/a/1-1.pt", "results/rates/runs/r/run.json"},
        ),
        (["--smoke"], {"results/_smoke/rates/runs/r/run.json"}),
        (["--cache"], {"cache/bench/arrays/x.npy"}),
    ],
)
def test_only_what_was_named_goes(bench, results: Path, arguments: list[str], gone: set) -> None:
    """Downloaded data never does."""
    before = left(results)
    done = bench("clean", *arguments, "--yes")

    assert (done.code, done.out.splitlines()[-1]) == (0, "removed")
    assert before - left(results) == gone


def test_it_says_what_and_how_much_and_asks(
    bench, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`n` keeps all of it."""
    before = left(results)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    done = bench("clean", "rates", "heads", "--weights")

    assert done.code == 0
    assert done.out.splitlines()[:2] == [
        "      0.0 MB  results/rates/weights",
        "      0.0 MB  results/heads/weights",
    ]
    assert "removed" not in done.out
    assert left(results) == before


def test_without_an_answer_nothing_is_removed(
    bench, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a script without `--yes`."""
    before = left(results)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    done = bench("clean", "--cache")

    assert done.code == 2
    assert "--yes removes" in done.err
    assert left(results) == before


def test_a_folder_that_a_run_holds_is_not_touched(bench, results: Path) -> None:
    """Exit 2, with who holds it."""
    before = left(results)
    with hold(results / "rates"):
        done = bench("clean", "rates", "--everything", "--yes")

    assert done.code == 2
    assert "is held by process" in done.err
    assert left(results) == before


def test_nothing_named_is_a_usage_error(bench, results: Path) -> None:
    """A benchmark alone says not what of it."""
    assert bench("clean").code == 2
    assert bench("clean", "rates").code == 2
    assert bench("clean", "--weights").code == 2


def test_an_unknown_benchmark_gets_the_nearest(bench, results: Path) -> None:
    """Folders without runs are no results."""
    done = bench("clean", "rate", "--weights", "--yes")

    assert done.code == 2
    assert "no results of 'rate' in results" in done.err
    assert "heads, rates; did you mean 'rates'?" in done.err


def test_what_is_not_there_is_said(bench, user: Path) -> None:
    """No question then."""
    assert bench("clean", "--cache", "--smoke").out == "nothing to remove\n"

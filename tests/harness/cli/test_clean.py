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
             "results/heads/runs/20200101T000000-9f2c/logs/a.txt",
             "results/heads/runs/20200102T000000-9f2c/checkpoints/a.checkpoint",
             "results/heads/pretraining/a.checkpoint", "results/heads/pretraining/b.pt",
             "results/heads/.damaged/part.parquet", "results/heads/tracking/mlflow.db",
             "results/_smoke/rates/runs/r/run.json",
             "cache/bench/arrays/0123456789abcdef/x.npy", "cache/bench/arrays/thesis.docx",
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
        (["--cache"], {"cache/bench/arrays/0123456789abcdef/x.npy"}),
        (
            ["heads", "--checkpoints"],
            {
                "results/heads/runs/20200102T000000-9f2c/checkpoints/a.checkpoint",
                "results/heads/pretraining/a.checkpoint",
            },
        ),
        (["heads", "--damaged"], {"results/heads/.damaged/part.parquet"}),
        (["heads", "--tracking"], {"results/heads/tracking/mlflow.db"}),
        (
            ["heads", "--runs-older-than", "30"],
            {
                "results/heads/runs/20200101T000000-9f2c/logs/a.txt",
                "results/heads/runs/20200102T000000-9f2c/checkpoints/a.checkpoint",
            },
        ),
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
        "      0.0 MB       1 file   results/rates/weights",
        "      0.0 MB       1 file   results/heads/weights",
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


def test_a_dry_run_says_and_stops(bench, results: Path) -> None:
    """Also with `--yes`; not even a lock is written."""
    before = left(results)
    done = bench("clean", "heads", "--everything", "--dry-run", "--yes")

    assert done.code == 0
    assert done.out.splitlines() == [
        "      0.0 MB       8 files  results/heads",
        "nothing was removed (--dry-run)",
    ]
    assert left(results) == before


def test_the_newest_run_stays_however_old(bench, results: Path) -> None:
    """Reports need its plan; runs whose names say no time stay too."""
    for run in (results / "heads" / "runs").glob("r*"):
        (run / "run.json").unlink()
        run.rmdir()
    bench("clean", "heads", "--runs-older-than", "0", "--yes")

    assert [run.name for run in (results / "heads" / "runs").iterdir()] == ["20200102T000000-9f2c"]


def test_what_is_not_from_bench_stays_in_the_cache(bench, results: Path) -> None:
    """$BENCH_CACHE may name any folder."""
    done = bench("clean", "--cache", "--yes")

    assert "1 in" in done.err
    assert "not from bench and stay" in done.err


def test_tries_are_not_looked_for_behind_a_link(bench, results: Path) -> None:
    """`_smoke` is a name of bench's, so nobody asked for what it leads to."""
    outside = results.parent / "precious"
    (results / "_smoke").rename(outside)
    (results / "_smoke").symlink_to(outside)
    before = left(outside)
    done = bench("clean", "--smoke", "--yes")

    assert done.code == 2
    assert "_smoke is a link" in done.err
    assert left(outside) == before


def test_links_are_not_followed(bench, results: Path) -> None:
    """What they lead to may be anybody's."""
    outside = results.parent / "precious"
    outside.mkdir()
    (outside / "thesis.docx").write_text("all my work")
    (results / "rates" / "tracking").symlink_to(outside)
    done = bench("clean", "rates", "--tracking", "--weights", "--yes")
    inside = bench("clean", "rates", "--everything", "--yes")

    assert done.code == 2
    assert "tracking is a link" in done.err
    assert inside.code == 0
    assert (outside / "thesis.docx").exists()


def test_a_smoke_run_under_way_is_not_touched(bench, results: Path) -> None:
    """Exit 2, with who holds it."""
    with hold(results / "_smoke" / "rates"):
        done = bench("clean", "--smoke", "--yes")

    assert done.code == 2
    assert "is held by process" in done.err


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

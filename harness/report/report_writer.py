"""Write the report's files: of which folders, in which formats, where to."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import BenchError, listed, nearest
from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import section
from harness.report.chapters import build_chapters
from harness.report.load import BaselineError, load_benchmark_results
from harness.report.page import Chapter, render_page
from harness.report.renderers import render_csv, render_latex, render_markdown
from harness.report.sections.data_card import KEY, TITLE, card_blocks
from harness.results.layout import create_plain

SUFFIX_OF = {"html": ".html", "md": ".md", "csv": ".csv", "latex": ".tex"}


def results_folders(results: Path, benchmarks: Sequence[str]) -> list[Path]:
    """Return the folders of benchmarks.

    Args:
        results: The folder that holds one folder per benchmark.
        benchmarks: Names or paths; all benchmarks in `results` if there are none.

    Raises:
        BenchError: If there is no such folder, or none at all.
    """
    known = sorted(path.parent.name for path in results.glob("*/runs") if path.is_dir())
    if not benchmarks and not known:
        raise BenchError(f"no results in {results}; bench run BENCHMARK makes some")
    return [_folder(results, name, known) for name in benchmarks or known]


def write_report(
    folders: Sequence[Path],
    *,
    results: Path,
    out: Path | None = None,
    formats: Sequence[str] = ("html",),
    baseline: str | None = None,
    run_id: str | None = None,
    reload_s: int | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> list[Path]:
    """Write the report of results folders.

    Args:
        folders: One for each benchmark.
        results: The folder that holds them; a report of several lies there.
        out: The file to write. With several formats, its suffix gives way to theirs.
        formats: Of `SUFFIX_OF`.
        baseline: A selector. It has to mean a configuration of one benchmark at least; the others
            keep their own baselines.
        run_id: A run, or `all`; by default the last one.
        reload_s: For a page that is written again and again, see `render_page`.
        tell: Called with each notice: whose baseline was kept, what is left out of a folder.

    Returns:
        The files, one for each format.

    Raises:
        BenchError: If there is nothing to read, or a file can't be written.
    """
    benchmarks = _load_benchmarks(folders, run_id=run_id, baseline=baseline, tell=tell)
    for note in dict.fromkeys(note for results in benchmarks for note in results.notes):
        tell(note)
    chapters = build_chapters(benchmarks)
    place = out or report_file(folders, results)
    files = []
    for name in formats:
        file = place if out and len(formats) == 1 else place.with_suffix(SUFFIX_OF[name])
        write_text(file, _render(name, benchmarks, chapters, reload_s=reload_s))
        files.append(file)
    return files


def _load_benchmarks(
    folders: Sequence[Path],
    *,
    run_id: str | None,
    baseline: str | None,
    tell: Callable[[str], object],
) -> list[BenchmarkResults]:
    """Load every folder; a selector need not mean something in all of them."""
    benchmarks, refused = [], []
    for folder in folders:
        try:
            benchmarks.append(load_benchmark_results(folder, run_id=run_id, baseline=baseline))
        except BaselineError as error:
            refused.append(error)
            benchmarks.append(load_benchmark_results(folder, run_id=run_id))
    if len(refused) == len(folders) and refused:
        raise refused[0]
    for refusal in refused:
        tell(f"{refusal}; it keeps the file's own baseline, or its best")
    return benchmarks


def report_file(folders: Sequence[Path], results: Path) -> Path:
    """Return where the page of these folders is, unless `out` says otherwise."""
    return (folders[0] if len(folders) == 1 else results) / "report.html"


def write_card(card: Mapping[str, Any], shown: Mapping[str, Any], *, name: str, out: Path) -> Path:
    """Write the page of one dataset: its card and its previews.

    Args:
        card: An entry of data_card.json.
        shown: Its entry of previews.json.
        name: The dataset's name.
        out: The file to write.

    Raises:
        BenchError: If the file can't be written.
    """
    part = section(KEY, TITLE, *card_blocks(card, shown))
    title = str(card.get("title") or name)
    page = render_page([Chapter(name, title, [part])], title=title, made_at=_now())
    write_text(out, page)
    return out


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _render(
    name: str,
    benchmarks: Sequence[BenchmarkResults],
    chapters: Sequence[Chapter],
    *,
    reload_s: int | None,
) -> str:
    if name == "csv":
        return render_csv(benchmarks)
    if name != "html":
        return render_markdown(chapters) if name == "md" else render_latex(chapters)
    title = ", ".join(results.name for results in benchmarks)
    return render_page(chapters, title=f"{title}: report", made_at=_now(), reload_s=reload_s)


def _folder(results: Path, name: str, known: Sequence[str]) -> Path:
    for folder in (results / name, Path(name)):
        if (folder / "runs").is_dir():
            return folder
    guess = nearest(name, known)
    hint = f"; did you mean {guess!r}?" if guess else f"; {listed(known)}"
    raise BenchError(f"no results of {name!r} in {results}{hint}")


def write_text(file: Path, text: str) -> None:
    """Write a file as a whole, or not at all.

    Raises:
        BenchError: If it can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        with os.fdopen(create_plain(beside), "w", encoding="utf-8") as out:
            out.write(text)
        beside.replace(file)
    except OSError as error:
        raise BenchError(f"{file} can't be written: {error.strerror or error}") from None

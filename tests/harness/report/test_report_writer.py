"""The files of a report, as a reader gets them."""

import csv
import io
import re

import pytest

from harness.errors import BenchError
from harness.report.chapters import ORDER
from harness.report.report_writer import results_folders, write_report
from tests.commands import bench, without
from tests.harness.report.folders import RUN, Trial, make_results

TRIALS = Trial(1, [0.5, 0.6, 0.7]), Trial(4, [0.7, 0.8, 0.9])


def report(folder, *trials, name="html", **choices):
    results = make_results(folder, *trials, **choices)
    (file,) = write_report([results], results=folder, formats=[name])
    return file.read_text(encoding="utf-8")


def body_of(page):
    """All that comes from the results; the scripts stand behind the footer."""
    return page[page.index("<body>") : page.index("<footer>")]


def test_the_page_holds_all_sections_and_needs_no_network(tmp_path):
    page = report(tmp_path, *TRIALS)
    assert len(re.findall("<section ", page)) == len(ORDER)
    assert not re.search(r'(src|href)="https?:', body_of(page))


def test_what_comes_from_files_is_escaped(tmp_path):
    failed = Trial(2, status="failed", row={"error": "</script><script>alert(1)</script>"})
    page = body_of(report(tmp_path, *TRIALS, failed))
    assert "<b>here</b>" not in page
    assert "alert(1)</script>" not in page
    assert "&lt;b&gt;here&lt;/b&gt;" in page


@pytest.mark.parametrize("trials", [(), (Trial(1, status="failed"),), (Trial(1, [0.5]),)])
def test_an_unfinished_run_gives_a_page_that_says_what_is_missing(tmp_path, trials):
    page = report(tmp_path, *trials, planned=[Trial(2)])
    assert len(re.findall("<section ", page)) == len(ORDER)
    assert "1 missing" in page


def test_the_csv_has_a_row_for_each_configuration(tmp_path):
    rows = list(csv.DictReader(io.StringIO(report(tmp_path, *TRIALS, name="csv"))))
    assert [(row["place"], row["model.num_heads"]) for row in rows] == [("1", "4"), ("2", "1")]
    assert float(rows[0]["val_accuracy"]) == pytest.approx(0.8)
    assert rows[0]["error"] == ""


def test_markdown_and_latex_hold_the_leaderboard(tmp_path):
    assert "| 1 | num_heads=4 | 0.8000 ± " in report(tmp_path / "a", *TRIALS, name="md")
    latex = report(tmp_path / "b", *TRIALS, name="latex")
    assert r"1 & num\_heads=4 & \textbf{0.8000} $\pm$ " in latex
    assert r"2 & num\_heads=1 & 0.6000 $\pm$ " in latex
    assert r"\toprule" in latex
    assert "$<$ 0.001" in latex  # a bare < is an inverted exclamation mark in most fonts
    assert "findings" not in latex  # nothing was found


def test_a_baseline_applies_where_it_means_something(tmp_path):
    """Only the first benchmark has 1 head; the second says that it keeps its own."""
    folders = [make_results(tmp_path / "a", *TRIALS), make_results(tmp_path / "b", TRIALS[1])]
    said = []
    (file,) = write_report(folders, results=tmp_path, formats=["md"], baseline="num_heads=1",
                           tell=said.append)  # fmt: skip
    assert "Baseline: #2 (num_heads=1)." in file.read_text(encoding="utf-8")
    assert len(said) == 1
    assert "keeps the file's own baseline" in said[0]
    with pytest.raises(BenchError, match="--baseline"):
        write_report(folders, results=tmp_path, formats=["md"], baseline="num_heads=3")


def test_an_unknown_benchmark_is_named_with_the_nearest(tmp_path):
    make_results(tmp_path, *TRIALS)
    with pytest.raises(BenchError, match=r"no results of 'digit'.*did you mean 'digits'"):
        results_folders(tmp_path, ["digit"])


def test_the_command_works_without_torch_and_ray(tmp_path):
    make_results(tmp_path / "results", *TRIALS)
    path = without(tmp_path, "torch", "ray")
    done = bench("report", "digits", "--run", RUN, folder=tmp_path, PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "results/digits/report.html"
    assert (tmp_path / "results/digits/report.html").exists()
    wrong = bench("report", "digits", "--format", "pdf", folder=tmp_path)
    assert wrong.returncode == 2
    assert "choose from html, md, csv, latex" in wrong.stderr

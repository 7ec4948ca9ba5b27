"""Failures, codes of probes, and results that look copied."""

from dataclasses import replace
from pathlib import Path

from harness.report.sections import findings
from harness.training.probes import FINDINGS
from tests.harness.report.folders import Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])


def test_findings_count_failures_codes_and_copies(tmp_path):
    results = results_of(
        tmp_path,
        EVEN._replace(row={"findings": "dead_parameters,softmax_outputs"}),
        EVEN._replace(heads=2),
        Trial(4, status="failed", row={"error": "boom"}),
    )
    found = findings.compute(results)
    assert found.statuses == {"complete": 2, "failed": 1}
    assert set(found.codes) == {"dead_parameters", "softmax_outputs"}
    assert [[one.name for one in group] for group in found.identical] == [["#1", "#2"]]


def test_a_finding_with_an_attribute_keeps_its_meaning(tmp_path):
    """What follows the colon says where, what precedes it says what."""
    code = "unregistered_parameters:encoder.layers"
    results = results_of(tmp_path, EVEN._replace(row={"findings": code}))
    (table,) = [one for one in findings.findings(results).blocks if hasattr(one, "rows")]
    assert [cell.text for cell in table.rows[0]][:2] == [
        code,
        findings.MEANINGS["unregistered_parameters"],
    ]


def test_every_finding_has_a_meaning():
    """The report and its page know each code that a probe gives."""
    page = (Path(__file__).parents[4] / "docs" / "reading_the_report.md").read_text("utf-8")
    assert set(FINDINGS) <= set(findings.MEANINGS)
    assert all(f"| `{code}" in page for code in findings.MEANINGS)


def test_an_accuracy_that_no_count_of_examples_gives_is_flagged(tmp_path):
    """23 of 40 is 0.575; 0.58 of 40 is 23.2."""
    results = results_of(tmp_path, Trial(1, [0.575, 0.6]), Trial(2, [0.58, 0.6]))
    assert [one.params["model.num_heads"] for one in findings.compute(results).impossible] == [2]


def test_equal_scores_with_other_curves_are_no_copy(tmp_path):
    """Both validate alike in every fold, but one trains to another loss."""
    results = results_of(tmp_path, EVEN, EVEN._replace(heads=2))
    logs = results.epochs([EVEN.trial_id, EVEN._replace(heads=2).trial_id])
    logs.loc[logs["trial_id"] == EVEN.trial_id, "train_loss"] = 0.4
    changed = replace(results, epochs=lambda _: logs)
    assert findings.compute(changed).identical == ()

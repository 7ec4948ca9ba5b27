"""The flaws that benchmark files name."""

import re
from pathlib import Path

from harness.report.known_issues import FLAWS, flaw_name

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def test_every_flaw_that_a_shipped_file_names_has_a_meaning():
    texts = [file.read_text(encoding="utf-8") for file in BENCHMARKS.glob("*.yaml")]
    named = {int(number) for text in texts
             for found in re.findall(r"^ *flaws: \[([\d, ]+)\]", text, re.MULTILINE)
             for number in found.split(",")}  # fmt: skip
    assert named
    assert named <= set(FLAWS)


def test_a_flaw_is_called_by_number_and_name():
    assert flaw_name(10) == "10 dead parameters"
    assert flaw_name(99) == "99"

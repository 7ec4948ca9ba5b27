"""What holds for every section of a report."""

from harness.report.blocks import Table
from harness.report.chapters import build_sections
from tests.harness.report.folders import Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])
BETTER = Trial(4, [0.7, 0.8, 0.9])


def test_every_table_has_a_cell_for_each_column(tmp_path):

    results = results_of(tmp_path, EVEN, BETTER, Trial(2, status="failed"))
    tables = [block for section in build_sections(results) for block in section.blocks
              if isinstance(block, Table)]  # fmt: skip
    assert len(tables) >= 6
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)

"""A real process is killed while it adds, replaces, widens and compacts: nothing acknowledged is
lost, nothing is there twice."""

import random
import subprocess
import sys
import time
from pathlib import Path

from folders import whole

from harness.results.repair import repair

WRITER = """
import sys
from itertools import count
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from folders import Builder
from harness.results.repair import repair
from harness.results.column_types import param_type
from harness.results.tables import table_schemas
from harness.results.schema_migration import fill_metrics, widen
from harness.results.table_writer import TableWriter, compact

folder, start, build = Path(sys.argv[1]), int(sys.argv[3]), Builder()
repair(folder)
for turn in count(start):
    params = {"model.width": param_type([8]), f"model.p{turn % 7}": param_type([1])}
    metrics = ("accuracy", "macro_f1") if turn % 2 else ("accuracy",)
    schemas = table_schemas(metrics=metrics, objective="accuracy", params=params)
    schemas = widen(folder, schemas)
    writer = TableWriter(folder, schemas)
    names = [f"t{turn}-{one}" for one in range(3)]
    for name in names:
        writer.add(name, build.tables(name, schemas=schemas))
    writer.flush()
    print(*names, flush=True)
    again = [f"t{turn - back}-{1}" for back in (0, 3) if turn - back >= start]
    for name in again:
        tables = build.tables(name, schemas=schemas, repeats=(2,))
        writer.add(name, tables, replace=True, keep_repeats=(1,))
    writer.close()
    if turn % 2:
        fill_metrics(folder, metrics)
    compact(folder, threshold=4)
"""


def test_killed_writers_leave_every_acknowledged_trial_there_once(folder: Path):
    seed = random.Random(7)
    acknowledged: set[str] = set()
    for life in range(6):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                WRITER,
                str(folder),
                str(Path(__file__).parent),
                str(life * 1000),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        first = process.stdout.readline()
        time.sleep(seed.uniform(0.02, 0.5))
        process.kill()
        rest, _ = process.communicate()
        lines = (first + rest).splitlines(keepends=True)
        acknowledged.update(name for line in lines if line.endswith("\n") for name in line.split())
        report = repair(folder)
        assert not report.damaged
        assert acknowledged <= whole(folder).keys()
    assert len(acknowledged) >= 3 * 6

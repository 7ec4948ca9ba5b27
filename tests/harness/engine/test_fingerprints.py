"""Fingerprints as a run asks for them: which files, and whether they are still the same."""

import os
from pathlib import Path

import pytest

from harness.config.read import parse_benchmark
from harness.engine.fingerprints import Fingerprints, refuse_changed
from harness.engine.resolve import Resolved, resolve
from harness.errors import BenchError

FILE = """\
question: Is it kind?
dataset: {name: text_csv, path: kind.csv, max_tokens: 4, max_vocabulary: 10}
model: {name: bag_of_tokens}
training: {epochs: 1, batch_size: 2, optimizer: sgd, lr: 0.1}
cross_validation: {strategy: kfold, n_splits: 3}
objective: {metric: accuracy}
"""


@pytest.fixture
def resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    """A table of four texts in the working directory, and a cache of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "kind.csv").write_text("text,label\ngood,yes\nbad,no\nfine,yes\nawful,no\n")
    (one,) = resolve(parse_benchmark(FILE, file="kind.yaml"), root=tmp_path)
    return one


def test_a_forced_run_reads_what_the_memory_would_answer(
    resolved: Resolved, tmp_path: Path
) -> None:
    """A memory that is wrong about a file deceives a plain run, and no forced one."""

    def fingerprint(*, anew: bool) -> str:
        ask = Fingerprints(tmp_path, may_prepare=False, on_event=print, anew=anew)
        return ask(resolved)

    right = fingerprint(anew=True)
    memory = tmp_path / "cache" / "fingerprints.json"
    status = os.stat(tmp_path / "kind.csv")
    numbers = [
        getattr(status, f"st_{name}") for name in ("size", "mtime_ns", "ctime_ns", "ino", "dev")
    ]
    memory.parent.mkdir(exist_ok=True)
    memory.write_text(f'{{"{tmp_path / "kind.csv"}": [{numbers}, "{"0" * 64}"]}}')
    assert fingerprint(anew=False) != right
    assert fingerprint(anew=True) == right


def test_files_that_change_while_they_are_read_are_refused(
    resolved: Resolved, tmp_path: Path
) -> None:
    """What was made of them would be kept under the name of what they were."""
    ask = Fingerprints(tmp_path, may_prepare=False, on_event=print)
    before = ask(resolved)
    refuse_changed(resolved, before, root=tmp_path)
    (tmp_path / "kind.csv").write_text("text,label\ngood,no\nbad,yes\nfine,no\nawful,yes\n")
    with pytest.raises(BenchError, match=r"raw files in .* changed while they were read"):
        refuse_changed(resolved, before, root=tmp_path)

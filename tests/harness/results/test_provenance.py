"""Rows say where they come from without telling secrets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.results.provenance import (
    device_name,
    git_commit,
    installed_distributions,
    utc_now,
    versions,
)


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_commit_is_named_and_changes_make_it_dirty(tmp_path):
    _git(tmp_path, "init", "-q")
    (tmp_path / "model.py").write_text("a = 1\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "first")
    _git(tmp_path, "tag", "v1")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert git_commit(tmp_path) == commit[:12]
    (tmp_path / "model.py").write_text("a = 2\n")
    assert git_commit(tmp_path) == f"{commit[:12]}-dirty"


def test_outside_a_repository_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit(tmp_path) is None


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None


def test_versions_are_read_without_importing_the_packages():
    code = (
        "import json, sys; from harness.results.provenance import versions, device_name;"
        "found = versions(); device_name('cuda');"
        "imported = {'torch', 'ray', 'numpy', 'pandas'} & set(sys.modules);"
        "print(json.dumps([sorted(found), sorted(imported)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, imported = json.loads(done.stdout)
    assert {"python", "torch", "ray", "numpy", "pandas"} <= set(names)
    assert imported == []


def test_versions_are_plain_text():
    assert versions()["python"] == ".".join(map(str, sys.version_info[:3]))
    assert all(isinstance(version, str) for version in versions().values())


def test_distributions_are_sorted_by_name():
    names = [name.lower() for name, _version in installed_distributions()]
    assert names == sorted(names)
    assert "pyarrow" in names


def test_the_cpu_has_a_name_and_an_absent_gpu_keeps_its_word():
    assert device_name("cpu") not in ("", "cpu")
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        assert device_name("cuda:0") == "cuda:0"


def test_time_is_kept_in_utc():
    assert utc_now().utcoffset().total_seconds() == 0

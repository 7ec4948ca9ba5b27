"""Packages that are required and can't be imported are named with the reason."""

from pathlib import Path

import pytest

from harness.cli import info, main
from harness.cli.info import failing_imports, required_modules


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that break when they are imported, each in its own way."""
    (tmp_path / "unloadable.py").write_text("raise OSError('undefined symbol: aoti')")
    (tmp_path / "deadly.py").write_text("import os; os._exit(7)")
    (tmp_path / "sound.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("broken")
def test_a_module_that_raises_is_named_with_its_reason() -> None:
    failures = failing_imports(["unloadable", "sound", "missing_altogether"])

    assert failures == {
        "unloadable": "OSError: undefined symbol: aoti",
        "missing_altogether": "ModuleNotFoundError: No module named 'missing_altogether'",
    }


@pytest.mark.usefixtures("broken")
def test_a_module_that_ends_its_process_is_named() -> None:
    assert failing_imports(["sound", "deadly"]) == {"deadly": "the process ended with 7"}


def test_the_required_packages_are_those_of_the_distribution() -> None:
    modules = required_modules()
    if not modules:
        pytest.skip("bench is not installed as a distribution here")

    assert {"torch", "torchaudio", "sklearn", "yaml", "PIL", "ray"} <= modules.keys()
    assert "pytest" not in modules


def test_bench_info_names_what_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(info, "required_modules", lambda: {"torchaudio": "torchaudio"})
    monkeypatch.setattr(info, "not_installed", lambda: ["plotly"])
    monkeypatch.setattr(info, "failing_imports", lambda modules: {"torchaudio": "OSError: bad"})
    with pytest.raises(SystemExit):
        main(["info"])
    out = capsys.readouterr().out

    assert "required and not installed: plotly\n" in out
    assert "can't be imported: torchaudio (torchaudio): OSError: bad\n" in out

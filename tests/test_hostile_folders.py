"""Every command over every hostile results folder: one sentence, nothing outside, no waiting."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness.cli import main
from harness.errors import BenchError
from tests.hostile_folders import CASES, NAME, make_whole
from tests.plans import FILE

RECORDS = ("plan", "run.json", "data_card.json", "previews.json", "benchmark.yaml")
STOPPED = "here it would train"
DRY_RUN = ("run", "rates", "--dry-run")
REPORT = ("report", NAME, "--format", "md")
MERGE = ("merge", f"results/{NAME}", "--results", "other")
READING = (
    DRY_RUN,
    REPORT,
    ("report", NAME, "--all", "--format", "csv"),
    ("compare", f"{NAME}:training.lr=0.1", f"{NAME}:training.lr=0.2"),
    ("rerun", NAME, "training.lr=0.1"),
    ("export", NAME, "training.lr=0.1", "--out", "model"),
    MERGE,
    ("clean", NAME, "--weights", "--checkpoints", "--damaged", "--dry-run"),
)
WRITING = (
    ("run", "rates", "--quiet"),
    ("clean", NAME, "--weights", "--checkpoints", "--damaged", "--yes"),
    REPORT,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing wrong."""
    place = tmp_path_factory.mktemp("whole")
    make_whole(place)
    return place


@pytest.fixture
def user(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a copy of it; what would train or read data says so instead."""
    shutil.copytree(whole / "results", tmp_path / "user" / "results")
    (tmp_path / "outside").mkdir()
    (tmp_path / "user" / "rates.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path / "user")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "harness.engine.runner.DataFingerprints", lambda *_, **__: lambda resolved: "d"
    )
    monkeypatch.setattr("harness.results.provenance.installed_distributions", list)
    monkeypatch.setattr("harness.engine.runner.check_models", lambda *_: {})
    monkeypatch.setattr("harness.engine.runner.describe_model", lambda model: "a model")
    for place in ("harness.engine.rerun.run_benchmark", "harness.engine.runner._train",
                  "harness.export.model_writer.refit"):  # fmt: skip
        monkeypatch.setattr(place, _stop)
    return tmp_path / "user"


def _stop(*arguments: Any, **options: Any) -> NoReturn:
    raise BenchError(STOPPED)


@pytest.fixture
def bench(user: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Calls a command; its exit code and the last line it said. Anything raised is a fault."""

    def call(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                main(list(arguments))
        except Exception as error:
            error.add_note(f"bench {' '.join(arguments)}")
            raise
        said = capsys.readouterr()
        code = int(ended.value.code or 0)
        error = said.err.strip()
        assert "Traceback" not in said.err + said.out
        assert code in (0, 1) or "error: " in error, (arguments, code, error)
        return code, error

    return call


def contents(place: Path) -> Iterator[tuple[str, bytes | str]]:
    """Every file and link below a place."""
    for path in sorted(place.rglob("*")):
        if path.is_symlink():
            yield str(path), str(path.readlink())
        elif path.is_file():
            yield str(path), path.read_bytes()
        else:
            yield str(path), ""


def _reading(name: str) -> tuple[tuple[str, ...], ...]:
    """The commands that look at what is wrong; all of them would take a minute."""
    if ".json: " in name:
        return DRY_RUN, REPORT
    return READING if name.startswith(("trials", "plan", "link")) else (*READING[:2], *READING[3:])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_folder_is_answered_and_leads_nowhere(
    user: Path, bench: Callable[..., tuple[int, str]], name: str
) -> None:
    """Readers write nothing but their page; writers nothing outside the folder."""
    folder, outside = user / "results" / NAME, user.parent / "outside"
    CASES[name](folder, outside)
    there, here = [*contents(outside)], [*contents(folder)]

    for command in _reading(name):
        code, said = bench(*command)
        if "link: " in name or "pipe: " in name or "socket: " in name:
            assert code == 2, (command, said)
        for page in folder.glob("report.*"):
            page.unlink()
        assert [*contents(folder)] == here, command
    for command in WRITING if name.startswith(RECORDS) else WRITING[:-1]:
        bench(*command)

    assert [*contents(outside)] == there


@pytest.mark.timeout(60)
def test_a_whole_folder_is_answered_by_every_command(
    bench: Callable[..., tuple[int, str]],
) -> None:
    """Else the cases above would prove nothing."""
    codes = [bench(*command) for command in READING]
    assert [code for code, _ in codes] == [0, 0, 0, 0, 2, 2, 0, 0]
    assert all(said.endswith(STOPPED) for code, said in codes if code == 2)
    assert [bench(*command)[0] for command in WRITING] == [1, 0, 0]  # one trial has failed


def test_a_folder_may_itself_be_a_link(user: Path, bench: Callable[..., tuple[int, str]]) -> None:
    """Whoever names it means what it leads to."""
    shutil.move(user / "results" / NAME, user.parent / "outside" / NAME)
    (user / "results" / NAME).symlink_to(user.parent / "outside" / NAME)
    assert bench("report", NAME, "--format", "md")[0] == 0
    assert bench("compare", NAME, NAME)[0] == 0

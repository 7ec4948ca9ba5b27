"""The command `bench` itself: help, versions, exit codes, and the small commands."""

import json
from pathlib import Path

import pytest

from harness import __version__
from harness.cli import COMMANDS, info
from harness.config.json_schema import json_schema
from tests.commands import bench as bench_process
from tests.commands import without

HEAVY = ("torch", "ray", "sklearn", "plotly", "pandas", "numpy", "pyarrow", "pydantic", "yaml")


def test_help_names_every_command_and_imports_nothing_heavy(tmp_path: Path) -> None:
    """Not even what reads the files."""
    done = bench_process("--help", folder=tmp_path, PYTHONPATH=without(tmp_path, *HEAVY))

    assert (done.returncode, done.stderr) == (0, "")
    for name, text in COMMANDS.items():
        assert name in done.stdout
        assert text in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(bench, name: str) -> None:
    """With a usage line and examples, by either spelling, in lines that fit a terminal."""
    done = bench(name, "--help")

    assert done.code == 0
    assert f"Usage: bench {name}" in done.out
    assert f"examples:\n    bench {name}" in done.out
    assert bench(name, "-h").out == done.out
    assert max(map(len, done.out.splitlines())) <= 100


def test_the_version_is_the_package_s(bench) -> None:
    """One place says it."""
    assert bench("--version").out == f"bench, version {__version__}\n"


def test_a_misspelled_command_gets_the_nearest(bench) -> None:
    """Exit 2."""
    done = bench("chek", "quickstart")

    assert done.code == 2
    assert "no such command 'chek'; did you mean 'check'?" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "model"], "found 'model'; allowed: benchmarks, models, datasets, metrics; "
                            "did you mean 'models'?"),
        (["new", "modell", "x"], "allowed: benchmark, model, dataset; did you mean 'model'?"),
        (["new"], "allowed: benchmark, model, dataset"),
        (["show", "digits", "size=3"], "has no option 'size'; it takes none"),
    ],
)  # fmt: skip
def test_a_misspelled_word_gets_what_is_allowed_and_the_nearest(
    bench, arguments: list[str], words: str
) -> None:
    """As a benchmark's keys do."""
    done = bench(*arguments)

    assert (done.code, done.out) == (2, "")
    assert words in " ".join(done.err.split())


def test_a_misspelled_option_is_usage(bench) -> None:
    """Exit 2, nothing on stdout."""
    done = bench("run", "quickstart", "--limt", "3")

    assert (done.code, done.out) == (2, "")
    assert "--limit" in done.err


@pytest.mark.parametrize("option", ["--limit", "--jobs"])
def test_numbers_below_one_are_usage(bench, option: str) -> None:
    """Before the file is read."""
    assert bench("run", "nowhere", option, "0").code == 2
    assert "nowhere" not in bench("run", "nowhere", option, "0").err


def test_a_mistake_of_the_file_ends_a_run_before_it_writes(bench, user: Path) -> None:
    """Exit 2, no traceback, no results folder."""
    done = bench("run", "quickstart", "training.epochs=-1")

    assert done.code == 2
    assert "training.epochs" in done.err
    assert "Traceback" not in done.err
    assert not (user / "results").exists()


def test_a_dry_run_writes_nothing_and_starts_no_ray(bench, user: Path) -> None:
    """Sixteen configurations, all of them new."""
    done = bench("run", "quickstart", "--dry-run", "--quiet")

    assert done.code == 0
    assert "16 trials: 0 done, 16 to train" in done.out
    assert not (user / "results").exists()


def test_json_is_one_object(bench) -> None:
    """Here of a dry run: everything is missing."""
    answer = json.loads(bench("run", "quickstart", "--dry-run", "--quiet", "--json").out)

    assert (answer["trials"], answer["missing"], answer["best"]) == (16, 16, None)


def test_the_schema_is_printed_without_torch_and_ray(tmp_path: Path) -> None:
    """As JSON that an editor reads."""
    blocked = without(tmp_path, "torch", "ray", "sklearn", "pandas", "plotly")
    done = bench_process("schema", folder=tmp_path, PYTHONPATH=blocked)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads(json.dumps(json_schema()))


def test_info_says_what_a_bug_report_needs(
    bench, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions, folders, hardware, a line each; importing all packages has tests of its own."""
    monkeypatch.setattr(info, "failing_imports", lambda modules: {})
    lines = (line.split(maxsplit=1) for line in bench("info").out.splitlines())
    said = dict(lines)

    assert said["bench"] == __version__
    assert {"python", "torch", "ray", "device", "cores", "code"} <= set(said)
    assert said["data"] == str(user / "cache" / "bench" / "data")
    assert said["results"] == str(user / "results")

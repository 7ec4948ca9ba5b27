"""`bench info`: what a bug report needs, which required packages can't be imported among it.

A package may be installed and useless: torchaudio beside a torch of another version can't be
loaded, and every sound fails. They are imported in another process, since a package may end the
one that imports it.
"""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import click

from harness import __version__
from harness.cli.terminal import echo

EPILOG = """\b
examples:
  bench info
"""
DISTRIBUTION = "bench-harness"
IMPORTED_WITHIN_S = 120  # torch and Ray take seconds each from a cold disk
SCRIPT = """\
import importlib, sys
for name in sys.argv[1:]:
    print(f"import {name}", flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        print(f"failed {type(error).__name__}: {reason}", flush=True)
"""


@click.command("info", epilog=EPILOG)
def command() -> None:
    """Versions, folders and hardware, ready to paste into a question.

    Required packages that can't be imported are named, with the reason.
    """
    from harness.data.paths import available_cores, cache_dir, default_data_root
    from harness.plugins.shipped_folders import PACKAGE
    from harness.results.provenance import device_name, versions

    rows = {
        "bench": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version for name, version in versions().items() if name != "python"},
        "device": device_name(),
        "cores": f"{available_cores()} of {os.cpu_count()}",
        "code": str(PACKAGE.parent),
        "data": str(default_data_root(None)),
        "cache": str(cache_dir()),
        "results": str(Path("results").resolve()),
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        echo(f"{name:<{width}}  {value}")
    for distribution in not_installed():
        echo(f"required and not installed: {distribution}")
    modules = required_modules()
    for module, reason in failing_imports([*modules]).items():
        echo(f"can't be imported: {module} ({modules[module]}): {reason}")


def required_modules() -> dict[str, str]:
    """Return module -> distribution of all that is required; empty where bench is not installed."""
    required = _required()
    return {
        module: distribution
        for module, distributions in sorted(metadata.packages_distributions().items())
        for distribution in distributions
        if _plain(distribution) in required and module.isidentifier() and module[0] != "_"
    }


def not_installed() -> list[str]:
    """Return the required distributions that are not there at all."""
    installed = {
        _plain(distribution.metadata["Name"] or "") for distribution in metadata.distributions()
    }
    return sorted(_required() - installed)


def failing_imports(modules: Sequence[str]) -> dict[str, str]:
    """Return module -> reason, in one line, of those that can't be imported."""
    command = [sys.executable, "-c", SCRIPT, *modules]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=IMPORTED_WITHIN_S, check=False
        )
        said, ended = done.stdout, f"the process ended with {done.returncode}"
        complete = done.returncode == 0
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode(errors="replace")
        ended, complete = f"no answer within {IMPORTED_WITHIN_S} s", False
    failures = dict(_failures(said))
    imported = [line.removeprefix("import ") for line in said.splitlines() if line[:7] == "import "]
    if not complete and imported and imported[-1] not in failures:
        failures[imported[-1]] = ended
    return failures


def _required() -> set[str]:
    """Return distributions without those of extras; none where bench itself is not installed."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return set()
    return {_name(line) for line in lines if "extra ==" not in line}


def _failures(said: str) -> Iterator[tuple[str, str]]:
    module = ""
    for line in said.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "import":
            module = rest
        elif kind == "failed":
            yield module, rest


def _name(requirement: str) -> str:
    """Return `scikit-learn` of `scikit-learn>=1.8`."""
    return _plain(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")

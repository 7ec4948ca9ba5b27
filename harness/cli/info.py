"""`bench info`: what a bug report needs."""

import os
import platform
from pathlib import Path

import click

from harness import __version__
from harness.cli.echo import echo

EPILOG = """\b
examples:
  bench info
"""


@click.command("info", epilog=EPILOG)
def command() -> None:
    """Versions, folders and hardware, ready to paste into a question.

    Required packages that can't be imported are named, with the reason.
    """
    from harness.cli.imports import failing_imports, not_installed, required_modules
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

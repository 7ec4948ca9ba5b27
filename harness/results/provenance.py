"""Where a row comes from: code, versions, machine, time. No environment, no secrets."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "bench-harness",
    "ray",
    "torch",
    "torchvision",
    "torchaudio",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "optuna",
)


def utc_now() -> datetime:
    """Return the time as the tables keep it."""
    return datetime.now(UTC)


def git_commit(path: Path) -> str | None:
    """Return the commit checked out at `path`, with `-dirty` where tracked files differ from it.

    None outside a repository, or without git.
    """
    command = ["git", "-C", str(path), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


@cache
def versions() -> dict[str, str]:
    """Return Python's and the packages' versions that numbers depend on, without importing them."""
    installed = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def installed_distributions() -> list[tuple[str, str]]:
    """Return name and version of every installed distribution, sorted by name."""
    installed = {(part.metadata["Name"], part.version) for part in metadata.distributions()}
    return sorted(installed, key=lambda pair: (pair[0] or "").lower())


def device_name(device: str = "cpu") -> str:
    """Return the name of the CPU or the GPU.

    Args:
        device: `cpu`, `cuda` or `cuda:N`; a GPU's name needs torch to be imported already.
    """
    torch = sys.modules.get("torch")
    if device.startswith("cuda") and torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name(device))
    return _cpu_name() if device == "cpu" else device


@cache
def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

"""Whether the packages are there that `tracking` asks for; imports none of them."""

import importlib.util
from collections.abc import Sequence

from harness.config.benchmark import BenchmarkSpec

PACKAGES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
INSTALLED_AS = {"tensorboard": "tensorboard tensorboardX"}  # where the names differ


def check_tracking(spec: BenchmarkSpec) -> None:
    """Raises SpecError at the file's line where a package is not installed, with the command."""
    from harness.errors import SpecError

    missing = _missing(spec.tracking)
    if missing:
        packages = " ".join(INSTALLED_AS.get(name, name) for name in missing)
        text = f"not installed: run `pip install {packages}`"
        raise SpecError([spec.problem("tracking", text, found=", ".join(missing))])


def _missing(names: Sequence[str]) -> list[str]:
    return [name for name in names if importlib.util.find_spec(PACKAGES[name]) is None]

"""Where the shipped models, datasets and benchmarks are, and how their modules are imported.

The repository keeps `models`, `data_prep` and `benchmarks` at its top level. The wheel has them in
`harness/shipped/`: many projects have a `models` package of their own, and site-packages has room
for one of each name. Their files import each other as `data_prep.examples` in both, because import
statements are part of a file's fingerprint and so of the ids of trials.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of the package `harness` itself."""

_IN_THE_WHEEL = PACKAGE / "shipped"

SHIPPED = _IN_THE_WHEEL if _IN_THE_WHEEL.is_dir() else PACKAGE.parent
"""The folder that holds `models`, `data_prep` and `benchmarks`."""

SHIPPED_BENCHMARKS = SHIPPED / "benchmarks"
IMPORTABLE = ("models", "data_prep")


class ShippedFinder:
    """Finds `models`, `data_prep` and their modules where nothing else on the path has them.

    Python asks it last. A project's own package of such a name is therefore what an import of that
    name gives, and only modules that the project's package lacks are those of the shipped one.
    """

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a shipped package or module, None for any other name."""
        package, _, module = fullname.partition(".")
        if package not in IMPORTABLE or "." in module:
            return None
        folder = SHIPPED / package if module else SHIPPED
        return PathFinder.find_spec(fullname, [str(folder)])


def make_importable() -> None:
    """Let `models` and `data_prep` be imported by these names, wherever bench is installed."""
    if ShippedFinder not in sys.meta_path:
        sys.meta_path.append(ShippedFinder)

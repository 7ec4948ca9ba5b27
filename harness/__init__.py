"""bench: one YAML file asks one question about model variants."""

from harness.plugins.shipped_folders import make_importable

__version__ = "0.1.0"

make_importable()

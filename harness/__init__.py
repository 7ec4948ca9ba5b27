"""bench: one YAML file asks one question about model variants."""

__version__ = "0.1.0"

"""One-file extensions found by name: the only import by name."""

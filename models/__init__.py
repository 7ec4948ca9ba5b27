"""Models: one file each, found by its name. How to add one: CONTRIBUTING.md."""

"""Benchmark files; a package only so that they travel in the wheel."""

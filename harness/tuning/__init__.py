"""A plan's missing trials, side by side through Ray Tune. The only importer of Ray."""

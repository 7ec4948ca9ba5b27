"""The trials of a plan, side by side through Ray Tune. The only importer of Ray."""

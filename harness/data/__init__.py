"""Data at rest: prepared once, cut into folds, handed to trials as read-only numpy."""

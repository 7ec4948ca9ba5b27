"""From a benchmark file and the catalogue to a plan: which trials, which are done, and why."""

"""Where a sweep runs: a private Ray or a cluster, what travels there, and what fits."""

"""From a benchmark file to finished tables: the plan, its checks, its jobs, and the runner."""

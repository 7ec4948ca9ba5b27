"""Tables to numbers to figures to one page; in a notebook, figure by figure.

Needs neither torch nor Ray, and imports plotly and pandas only when something is drawn.
"""

from harness.report.notebook import (
    confusion,
    figures,
    leaderboard,
    learning_curves,
    load_results,
    pareto,
    roc_curves,
    tables,
)

__all__ = [
    "confusion",
    "figures",
    "leaderboard",
    "learning_curves",
    "load_results",
    "pareto",
    "roc_curves",
    "tables",
]

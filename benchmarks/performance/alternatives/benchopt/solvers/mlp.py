"""The perceptron."""

from benchopt import BaseSolver
from digits_mlp import fit


class Solver(BaseSolver):
    """One configuration of the grid is one solver."""

    name = "MLP"
    sampling_strategy = "run_once"
    parameters = {"hidden_dim": [16, 64], "lr": [0.001, 0.01]}  # noqa: RUF012  as benchopt teaches it

    def set_objective(self, X, y):
        """The train part of a fold."""
        self.X, self.y = X, y

    def run(self, _):
        """Trains."""
        self.model = fit(self.X, self.y, hidden_dim=self.hidden_dim, lr=self.lr)

    def get_result(self):
        """What the objective evaluates."""
        return {"model": self.model}

"""What is measured: accuracy on the held-out part of each fold."""

from benchopt import BaseObjective
from digits_mlp import N_FOLDS, accuracy
from sklearn.model_selection import StratifiedKFold


class Objective(BaseObjective):
    """Classify digits."""

    name = "Digits"
    min_benchopt_version = "1.6"
    sampling_strategy = "run_once"

    def set_data(self, X, y):
        """The arrays of the dataset; `cv` makes each fold a run."""
        self.X, self.y = X, y
        self.cv = StratifiedKFold(N_FOLDS, shuffle=True, random_state=42)

    def get_objective(self):
        """What a solver gets."""
        self.X_train, self.X_test, self.y_train, self.y_test = self.get_split(self.X, self.y)
        return {"X": self.X_train, "y": self.y_train}

    def evaluate_result(self, model):
        """What is written for each run."""
        return {"value": 1 - accuracy(model, self.X_test, self.y_test)}

    def get_one_result(self):
        """A result for `benchopt test`."""
        from digits_mlp import fit

        return {"model": fit(self.X_train, self.y_train, hidden_dim=4, lr=0.01)}

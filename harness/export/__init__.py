"""Export a trained model as a folder that predicts by itself, without Ray, bench or its results.

`export_model` writes the folder, `load_model` reads it, `predict_all` predicts inputs with it.
"""

from harness.export.model_writer import Exported, export_model
from harness.export.predict import load_model, predict_all

__all__ = ["Exported", "export_model", "load_model", "predict_all"]

"""The ways to train all folds of a configuration: in turn, or as one batched model; and which."""

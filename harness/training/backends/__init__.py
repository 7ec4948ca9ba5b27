"""The ways to train all folds of a configuration: in turn, or as one batched model; and which.

`fold_run` holds what they share and the protocol `FoldBackend`, `loop` and `batched` are the two,
`selection` chooses.
"""

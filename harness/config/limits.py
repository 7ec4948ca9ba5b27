"""How large a benchmark file may be, and how much it may ask for.

What is larger is refused with these numbers, before it takes time or memory. A file within them is
checked in a few seconds.
"""

FILE_BYTES = 2**20
"""Of a file. The shipped ones have 1 to 6 kB; parsing takes some 100 times a file's size."""

VALUES = 50_000
"""Keys and values of a file, lists included: as many as are checked in a second or two."""

CONFIGURATIONS = 100_000
"""Of a grid, or draws of a search: planning takes 0.1 ms and 3 kB for each, trials far more."""

EPOCHS = 1_000_000
"""Of a trial: each has a row for every fold, and all of them are held until the trial ends."""

FOLDS = 1_000
"""Of a trial, over all repeats: all train side by side, each with a model and index sets."""

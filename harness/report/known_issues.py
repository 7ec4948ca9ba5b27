"""The known issues of published numbers, which the numbers in `flaws` stand for."""

from typing import NamedTuple


class Flaw(NamedTuple):
    """A short name and what it does to a number."""

    name: str
    meaning: str


FLAWS = {
    1: Flaw(
        "folds that do not change",
        "Every fold used the same validation data, so its average is one split seen several times.",
    ),
    2: Flaw(
        "average over the wrong set",
        "Sums were carried on from one average to the next, so "
        "the mean holds values of other runs.",
    ),
    3: Flaw(
        "chosen by the test set",
        "The configuration, fold or epoch was picked by its test "
        "score, which makes that score too high.",
    ),
    4: Flaw(
        "wrong denominator",
        "Correct answers were divided by a number that is not the number of examples.",
    ),
    5: Flaw(
        "training accuracy as result", "The score was measured on examples that were trained on."
    ),
    6: Flaw(
        "mean over batches",
        "Batch scores were averaged although the last batch is smaller, "
        "so its examples weigh more.",
    ),
    7: Flaw(
        "wrong class F1",
        "The F1 of the classes does not follow from the confusion matrix beside it.",
    ),
    8: Flaw(
        "softmax twice",
        "The model ends in a softmax and the loss applies another, which "
        "keeps the loss high and slows learning.",
    ),
    9: Flaw(
        "dropout while evaluating",
        "The model was evaluated in training mode, so its answers are random and worse.",
    ),
    10: Flaw("dead parameters", "Some parameters are counted but never used or trained."),
    11: Flaw(
        "tokens do not mix",
        "The attention, or the classifier behind it, cannot see the "
        "input as it is meant to; in the extreme the output ignores the input.",
    ),
    12: Flaw(
        "initialiser without effect",
        "The announced initialisation never reached the layers, "
        "so its comparison compares nothing.",
    ),
    13: Flaw(
        "impossible configuration",
        "The printed configuration cannot be built, such as heads that do not divide the width.",
    ),
    14: Flaw(
        "factors changed together",
        "Several things were changed at once, so the difference belongs to none of them alone.",
    ),
    15: Flaw(
        "noise taken for effect",
        "One seed and few test examples: differences of this size come and go with chance.",
    ),
    16: Flaw(
        "typed or copied by hand",
        "The value is impossible, has swapped digits or repeats another experiment's.",
    ),
    17: Flaw(
        "last epoch while overfitting",
        "The last epoch's weights were used though validation had long become worse.",
    ),
    18: Flaw(
        "hidden pretraining",
        "Weights trained elsewhere, or fixed augmentations, took part without being named.",
    ),
    19: Flaw(
        "non-standard split",
        "The data were split in a way of its own, which may have put "
        "official test examples into training.",
    ),
    20: Flaw(
        "facts left out",
        "Epochs, optimizer, split, seed or run time are not given, so the "
        "run cannot be repeated exactly.",
    ),
    21: Flaw(
        "run time not controlled", "Times were measured beside other work or on other machines."
    ),
    22: Flaw(
        "frequent tokens win",
        "Attention was summed, not averaged, over occurrences, and special tokens were counted.",
    ),
}


def flaw_name(number: int) -> str:
    """Return `10 dead parameters`; the number alone if it is unknown."""
    return f"{number} {FLAWS[number].name}" if number in FLAWS else str(number)

"""Parameters as a reader wants them."""

from harness.report.formatting import against_baseline, listed, number, readable, signed

SHIFT = '{"time_shift": {"fraction": 0.5}}'
SHIFT_MORE = '{"time_shift": {"fraction": 0.9}}'
BOTH = '{"time_shift": {"fraction": 0.5}, "mixup": {"alpha": 0.4}}'


def values(*given, chosen=()):
    params = {str(i): {"augmentation": value} for i, value in enumerate(given)}
    found = readable(params, {(str(i), "augmentation") for i in chosen})
    return [one["augmentation"] for one in found.values()]


def test_a_mapping_is_the_names_of_its_keys():
    assert values(SHIFT, BOTH) == ["time_shift", "time_shift + mixup"]


def test_mappings_of_equal_keys_are_written_out():
    assert values(SHIFT, SHIFT_MORE, BOTH) == [
        "time_shift(fraction=0.5)",
        "time_shift(fraction=0.9)",
        "time_shift(fraction=0.5) + mixup(alpha=0.4)",
    ]


def test_a_mapping_with_a_name_is_that_name():
    cosine, step = '{"name": "cosine"}', '{"name": "step", "milestones": [2, 4]}'
    assert values(cosine, step) == ["cosine", "step"]
    other = '{"name": "step", "milestones": [3]}'
    assert values(cosine, step, other) == [
        "cosine",
        "step(milestones=[2, 4])",
        "step(milestones=[3])",
    ]


def test_a_number_below_zero_has_a_minus_and_zero_has_none():
    assert number(-0.0227) == "−0.0227"
    assert number(-0.00001) == "0.0000"
    assert signed(-0.00001, 3) == "+0.000"


def test_how_many_differ_from_the_baseline_is_said_in_words():
    assert against_baseline(0, 1) == "No difference seen between the other one and the baseline"
    assert against_baseline(1, 1) == "The other one differs from the baseline"
    assert against_baseline(1, 3) == "1 of the 3 others differs from the baseline"
    assert against_baseline(0, 3).startswith("No difference seen between any of the 3 others")


def test_a_chosen_null_is_none_and_an_absent_one_stays_null():
    assert values(None, None, 4, chosen=[0]) == ["none", None, 4]


def test_texts_and_lists_stay():
    assert values("relu", "[1, 2]", "{broken") == ["relu", "[1, 2]", "{broken"]


def test_a_list_ends_with_and():
    assert listed(["4", "2", "16"]) == "4, 2 and 16"
    assert listed(["4"]) == "4"

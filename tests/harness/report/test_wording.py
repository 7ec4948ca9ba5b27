"""Parameters as a reader wants them."""

from harness.report.wording import readable

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
    assert values(SHIFT, SHIFT_MORE, BOTH) == [SHIFT, SHIFT_MORE, BOTH]


def test_a_chosen_null_is_none_and_an_absent_one_stays_null():
    assert values(None, None, 4, chosen=[0]) == ["none", None, 4]


def test_texts_and_lists_stay():
    assert values("relu", "[1, 2]", "{broken") == ["relu", "[1, 2]", "{broken"]

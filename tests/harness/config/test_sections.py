"""The keys `training.augmentation` and `dataset.front_end`: what they take, what they refuse."""

import jsonschema
import pytest
import yaml

from harness.config.expand import configurations
from harness.config.json_schema import json_schema
from harness.config.read import dump_resolved, parse_benchmark
from harness.config.sections import Augmentation, misfits
from harness.engine.identity import trial_id
from tests.spec_files import changed, problems_of, read, searching

LR = "lr: 0.001"
SUBSET = "subset: esc10"
AUGMENTED = f"{LR}\n  augmentation: {{time_shift: {{fraction: 0.5}}, mixup: {{alpha: 0.2}}}}"
HEARD = f"{SUBSET}\n  front_end: {{name: log_mel, n_mels: 32}}"


def names_of(transforms, shape, **inputs):
    """Names of the transforms that do not fit such inputs."""
    found = misfits(
        Augmentation.model_validate(transforms),
        shape,
        **{"input_dtype": "float32", "is_spectrogram": False, **inputs},
    )
    return {name for name, _ in found}


EVERY = {
    "time_shift": {"fraction": 0.1},
    "gain": {"db": 3},
    "crop": {"padding": 4},
    "flip": {},
    "rotation": {"degrees": 10},
    "spec_augment": {},
    "mixup": {"alpha": 0.2},
}


def test_null_is_the_default_of_both():
    """A file that names neither has neither."""
    spec = read()
    assert spec.training.augmentation is None
    assert spec.dataset.front_end is None


def test_numbers_left_out_have_defaults():
    """What torchaudio and the papers use."""
    spec = read(changed(SUBSET, HEARD))
    front_end = spec.dataset.front_end
    assert (front_end.n_fft, front_end.hop, front_end.n_mels) == (1024, 512, 32)
    assert (front_end.f_min, front_end.f_max, front_end.top_db) == (0, None, 80)
    assert Augmentation.model_validate({"flip": {}}).flip.probability == 0.5


def test_only_named_transforms_are_written_out():
    """So that a transform added later renames no trial; the text reads back to the same."""
    spec = read(changed(LR, AUGMENTED))
    text = dump_resolved(spec)
    written = yaml.safe_load(text)["training"]["augmentation"]
    assert written == {"time_shift": {"fraction": 0.5}, "mixup": {"alpha": 0.2}}
    again = parse_benchmark(text, file="heads.yaml")
    assert again.training == spec.training


def test_null_leaves_the_trial_id_alone():
    """Keys that are null are no part of what a trial is."""
    [first, *_] = configurations(read())
    config = {**first.sections, "cross_validation": {}, "seed": 0}
    assert config["training"]["augmentation"] is None
    without = {
        **config,
        "training": {k: v for k, v in config["training"].items() if k != "augmentation"},
        "dataset": {k: v for k, v in config["dataset"].items() if k != "front_end"},
    }
    ids = {trial_id(c, data_fingerprint="d", code_fingerprint="c") for c in (config, without)}
    assert len(ids) == 1


def test_both_can_be_searched_as_a_whole():
    """A list of mappings and null."""
    space = "training.augmentation: [null, {flip: {}}]\ndataset.front_end: [null, {name: log_mel}]"
    found = configurations(read(searching(space)))
    assert [one.params["training.augmentation"] for one in found] == [
        None,
        None,
        {"flip": {"probability": 0.5}},
        {"flip": {"probability": 0.5}},
    ]
    assert found[1].sections["dataset"]["front_end"]["n_mels"] == 64


def test_the_command_line_reaches_inside():
    """`training.augmentation.mixup.alpha=1` changes one number."""
    spec = read(changed(LR, AUGMENTED), "training.augmentation.mixup.alpha=1")
    assert spec.training.augmentation.mixup.alpha == 1


MISTAKES = [
    (LR, f"{LR}\n  augmentation: {{flipp: {{}}}}", "training.augmentation.flipp: unknown key; "
     "allowed: time_shift, gain, crop, flip, rotation, spec_augment, mixup; did you mean 'flip'?"),
    (LR, f"{LR}\n  augmentation: {{crop: {{padding: 0}}}}", "training.augmentation.crop.padding: "
     "not a valid value; found 0; allowed: an integer of at least 1"),
    (LR, f"{LR}\n  augmentation: {{crop: {{}}}}", "training.augmentation.crop.padding: required"),
    (LR, f"{LR}\n  augmentation: {{time_shift: {{fraction: 2}}}}", "found 2; allowed: a number "
     "above 0 and of at most 1"),
    (LR, f"{LR}\n  augmentation: {{}}", "training.augmentation: names no transform"),
    (LR, f"{LR}\n  augmentation: {{flip: null}}", "training.augmentation: names no transform"),
    (LR, f"{LR}\n  augmentation: {{spec_augment: {{time_masks: 0, mel_fraction: 0}}}}", "masks "
     "nothing"),
    (SUBSET, f"{SUBSET}\n  front_end: log_mel", "dataset.front_end: not a valid value; found "
     "log_mel; allowed: a mapping of name"),
    (SUBSET, f"{SUBSET}\n  front_end: {{name: mfcc}}", "dataset.front_end.name: not a valid value; "
     "found mfcc; allowed: log_mel"),
    (SUBSET, f"{SUBSET}\n  front_end: {{name: log_mel, mels: 3}}", "did you mean 'n_mels'?"),
    (SUBSET, f"{SUBSET}\n  front_end: {{name: log_mel, f_min: 900, f_max: 800}}", "f_min must lie "
     "below f_max"),
    (SUBSET, f"{SUBSET}\n  front_end: {{name: log_mel, n_fft: 256}}", "a hop of 512 leaves out"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), MISTAKES)
def test_a_mistake_is_told_at_its_line(old, new, says):
    """One problem each, with file, line, field, and what is allowed."""
    [problem] = problems_of(changed(old, new))
    assert says in problem
    assert problem.startswith("heads.yaml:")


def test_the_keys_of_a_mapping_are_no_guess_for_a_value():
    """`log_mel` alone is near to `n_mels`, which nobody meant."""
    [problem] = problems_of(changed(SUBSET, f"{SUBSET}\n  front_end: log_mel"))
    assert problem.endswith("f_max, top_db, or null")


@pytest.mark.parametrize("new", [AUGMENTED, f"{LR}\n  augmentation: null"])
def test_editors_accept_what_is_valid(new):
    """The schema knows both keys."""
    schema = jsonschema.Draft202012Validator(json_schema())
    text = changed(LR, new).replace(SUBSET, HEARD)
    assert list(schema.iter_errors(yaml.safe_load(text))) == []
    assert list(schema.iter_errors(yaml.safe_load(text.replace("log_mel", "mfcc"))))


@pytest.mark.parametrize(
    ("shape", "inputs", "unfit"),
    [
        ((3, 32, 32), {}, {"gain"}),
        ((1, 64, 108), {"is_spectrogram": True}, {"crop", "flip", "rotation"}),
        ((1, 80000), {}, {"crop", "flip", "rotation", "spec_augment"}),
        ((7,), {}, set(EVERY) - {"mixup"}),
        ((40,), {"input_dtype": "int64"}, set(EVERY)),
    ],
)
def test_what_fits_which_inputs(shape, inputs, unfit):
    """Images, spectrograms of the front end, waveforms, features, token ids."""
    assert names_of(EVERY, shape, **inputs) == unfit


def test_a_crop_must_leave_something():
    """A padding as large as the image can cut all of it away."""
    assert names_of({"crop": {"padding": 8}}, (1, 8, 9)) == {"crop"}
    assert names_of({"crop": {"padding": 7}}, (1, 8, 9)) == set()

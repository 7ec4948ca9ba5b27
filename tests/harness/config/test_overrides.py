"""The command line and the variants: who speaks over whom, and what they may not say."""

import pytest

from harness.config.expand import configurations
from harness.config.read import dump_resolved, parse_benchmark
from harness.config.space import Choice
from tests.spec_files import FILE, VARIANTS, problems_of, read, searching


def test_an_override_counts_instead_of_the_file():
    """Values follow the file's rules."""
    spec = read(FILE, "training.epochs=3", "training.lr=1e-2", "dataset.limit=80", "repeats=2")
    assert (spec.training.epochs, spec.training.lr, spec.dataset.limit) == (3, 0.01, 80)
    assert spec.repeats == 2
    assert read(FILE, "training.epochs=3", "training.epochs=4").training.epochs == 4


def test_an_override_of_a_searched_path_fixes_it():
    """Three heads by two widths become one by two."""
    spec = read(FILE, "model.num_heads=4")
    assert [one.path for one in spec.domains] == ["model.hidden_dim"]
    assert [one.params for one in configurations(spec)] == [
        {"model.hidden_dim": 512},
        {"model.hidden_dim": 1024},
    ]
    assert {one.sections["model"]["num_heads"] for one in configurations(spec)} == {4}


def test_an_override_replaces_a_domain():
    """The space keeps the path."""
    spec = read(FILE, "search.space.model.num_heads=[8, 16]")
    assert spec.domains[0].domain == Choice((8, 16))


def test_rules_go_on_to_hold_for_an_overridden_path():
    """With adam fixed on the command line momentum still does not exist: trials keep their id."""
    text = searching(
        "training.optimizer: [adam, sgd]\ntraining.momentum: [0.5, 0.9]", "optimizer: adam"
    ).replace("search:\n", "search:\n  when: {training.momentum: {training.optimizer: sgd}}\n")
    whole = configurations(read(text))
    assert [one.sections for one in configurations(read(text, "training.optimizer=adam"))] == [
        one.sections for one in whole if one.params["training.optimizer"] == "adam"
    ]
    assert len(configurations(read(text, "training.optimizer=sgd"))) == 2
    for optimizer in ("adam", "sgd"):
        spec = read(text, f"training.optimizer={optimizer}")
        again = parse_benchmark(dump_resolved(spec), file="heads.yaml")
        assert again == spec
        assert configurations(again) == configurations(spec)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epochs=0", "command line: training.epochs: not a valid value; found 0"),
        ("training.epoch=3", "command line: training.epoch: unknown key"),
        ("trainin.epochs=3", "command line: trainin: unknown key"),
        ("training.epochs", "command line: write key=value; found training.epochs"),
        ("training..epochs=3", "not a path of keys joined by dots"),
        ("training.epochs=[1", "command line: training.epochs: not valid YAML"),
        ("model.num_heads={a: 1", "not valid YAML"),
        ("search.space.model.num_heads=[]", "the list is empty"),
    ],
)
def test_a_wrong_override_is_answered_like_a_wrong_file(override, words):
    """The place is the command line."""
    assert any(words in problem for problem in problems_of(FILE, override))


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("epochs=3", "training.epochs"),  # also a key of `pretraining`, which the file lacks
        ("weight_decay=0.1", "training.weight_decay"),  # nearer in letters: `weights`
        ("num_heads=4", "model.num_heads"),  # named by the space
        ("test_fold=1", "cross_validation.test_fold"),
        ("quetion=why", "question"),
    ],
)
def test_a_bare_name_is_answered_by_its_whole_path(override, meant):
    """What people type on the command line; a key of a section counts before a similar word."""
    (problem,) = problems_of(FILE, override)
    assert problem.endswith(f"did you mean '{meant}'?")


def test_a_bare_name_of_two_sections_is_answered_by_none():
    """`name` may be the dataset's or the model's."""
    (problem,) = problems_of(FILE, "name=x")
    assert "did you mean" not in problem


def test_an_override_can_not_put_a_key_into_a_number():
    """The value that stands in the way is shown."""
    assert problems_of(FILE + "seed: 4\n", "seed.x=1") == [
        "command line: seed.x: seed is no mapping; found 4"
    ]


def test_the_command_line_may_search_what_the_file_fixes():
    """Two learning rates by the file's six configurations."""
    assert len(configurations(read(FILE, "search.space.training.lr=[1, 2]"))) == 12


def test_an_override_inside_linked_parameters_names_the_key_to_replace():
    """One of two linked values alone has no meaning; the key as a whole can be replaced."""
    text = searching('"model.width, model.heads": [[48, 4], [120, 10]]')
    found = problems_of(text, "model.heads=4")
    assert "linked in the space: replace search.space.model.width, model.heads" in found[0]
    spec = read(text, "search.space.model.width,model.heads=[[60, 5]]")
    assert [one.params for one in configurations(spec)] == [{"model.width": 60, "model.heads": 5}]


def test_variants_compare_models_each_with_its_own_space():
    """Two learning rates of the linear model; two by two less one excluded of the other."""
    spec = read(VARIANTS)
    found = configurations(spec)
    assert [(one.variant, *one.params.values()) for one in found] == [
        ("plain", 0.1),
        ("plain", 0.01),
        ("attention", 0.1, 1),
        ("attention", 0.01, 1),
        ("attention", 0.01, 2),
    ]
    assert {one.sections["training"]["epochs"] for one in found[2:]} == {9}
    assert [one.variant for one in spec.domains] == ["plain", "attention", "attention"]
    assert spec.model.name == "linear"


def test_a_variant_speaks_over_the_base_and_the_command_line_over_both():
    """A variant may fix what the base searches and search what it fixes."""
    text = VARIANTS.replace("{name: linear}", "{name: linear}\n    training: {lr: 0.5}")
    text = text.replace("        model.num", "        training.epochs: [7]\n        model.num")
    found = configurations(read(text.replace("    training: {epochs: 9}\n", "")))
    assert [one.params for one in found if one.variant == "plain"] == [{}]
    assert found[0].sections["training"]["lr"] == 0.5
    assert found[1].params["training.epochs"] == 7
    single = configurations(read(VARIANTS, "training.epochs=2", "training.lr=0.3"))
    assert {one.sections["training"]["epochs"] for one in single} == {2}
    assert {one.sections["training"]["lr"] for one in single} == {0.3}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{name: vit}", "{name: 3}", "heads.yaml:13: variants.attention.model.name: not a valid"),
        ("model: {name: vit}", "modell: {name: vit}", "heads.yaml:13: variants.attention.modell: "
         "unknown key; allowed: dataset, model, training, search; did you mean 'model'?"),
        ("{epochs: 9}", "{epoch: 9}", "heads.yaml:14: variants.attention.training.epoch: unknown"),
        ("{epochs: 9}", "{lr: 0}", "heads.yaml:14: variants.attention.training.lr: not a valid"),
        ("num_heads: [1, 2]", "num_heads: []", "heads.yaml:17: "
         "variants.attention.search.space.model.num_heads: the list is empty"),
        ("{model.num_heads: 2, t", "{model.num_heads: 3, t", "heads.yaml:19: "
         "variants.attention.search.exclude[0].model.num_heads: model.num_heads never has"),
        ("    search:\n", "    search:\n      algorithm: random\n", "search.algorithm: unknown "
         "key; allowed: space, exclude, when"),
        ("    model: {name: linear}\n", "", "variants.plain.model.name: required key is missing"),
        ("  plain:\n    model: {name: linear}", "  plain: 3", "variants.plain: not a valid value"),
        ("optimizer: adam}", "optimizer: adam, momentum: 0.5}", "heads.yaml:3: training.momentum: "
         "adam takes no momentum"),
        ("{name: linear}", "{name: linear}\n  again:\n    model: {name: linear}", "the same "
         "configuration as in variant plain"),
    ],
)  # fmt: skip
def test_mistakes_in_variants_are_as_clear_as_others(old, new, words):
    """The field path begins with the variant; a mistake of the base is reported once."""
    assert VARIANTS.count(old) == 1
    found = problems_of(VARIANTS.replace(old, new))
    assert words in "\n".join(found)
    assert len(found) == len(set(found))

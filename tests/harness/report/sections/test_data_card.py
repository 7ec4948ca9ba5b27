"""The data card in words: what the data is, how even its classes are, how it was prepared."""

import pytest

from harness.report.blocks import Figure, Gallery, Table, Text, section
from harness.report.page import Chapter, render_page
from harness.report.renderers import render_markdown
from harness.report.sections.data_card import (
    card_blocks,
    compute,
    draw_validated,
    galleries,
    words,
)
from tests.harness.report import folders

PNG, MP3 = "data:image/png;base64,AAAA", "data:audio/mpeg;base64,AAAA"
HEARD = {"class": "dog", "ids": ["bark-1"], "peaks": [-50, 100, 0, 20], "seconds": 5.0,
         "spectrogram": PNG, "sound": MP3}  # fmt: skip
NASTY = '"><script>alert(1)</script>'
CARD = {
    "title": "Barks", "source": "here", "licence": "none", "sample_rate_hz": 16000,
    "dataset": {"name": "barks", "limit": 120, "normalize": "standard", "subset": "all",
                "front_end": {"name": "log_mel", "n_mels": 40, "f_max": None}},
    "n_examples": 120, "input_shape": [1, 40, 9], "counts": {"cat": 90, "dog": 30},
    "folds": [
        {"repeat": 1, "fold": 1, "counts": {"train": {"cat": 60, "dog": 20},
                                            "validation": {"cat": 30, "dog": 10}}},
        {"repeat": 1, "fold": 2, "counts": {"train": {"cat": 70, "dog": 15},
                                            "validation": {"cat": 20, "dog": 15}}},
    ],
    "n_duplicates": 1, "findings": ["shared_examples"], "examples": {"cat": ["a"], "dog": ["b"]},
}  # fmt: skip


def test_it_says_what_the_data_is_and_how_it_was_prepared():
    found = words(CARD)
    assert found[0] == "Barks. Source: here. Licence: none."
    assert "120 examples of shape 1 x 40 x 9, 2 classes, 16,000 Hz" in found[1]
    assert found[3] == (
        "Preparation: dataset barks (subset=all); log_mel (n_mels=40); at most 120 examples, "
        "balanced over parts and classes; each channel to zero mean and unit variance of the "
        "fold's train examples."
    )


def test_what_reading_does_to_files_is_part_of_the_preparation():
    told = words(CARD | {"preprocessing": "channels averaged"})[3]
    assert told.startswith("Preparation: dataset barks (subset=all); channels averaged; log_mel")


def test_equal_contents_are_told_from_contents_shared_by_roles():
    assert "1 content that occurs more than once, also across the roles" in words(CARD)[1]
    assert words(CARD | {"findings": []})[1].endswith("1 content that occurs more than once.")
    assert words(CARD | {"n_duplicates": 0})[1].endswith("no two of equal content.")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"cat": 90, "dog": 30}, "From 30 (dog) to 90 (cat) examples of a class. cat is the "
         "largest: always guessing it would be right for 75.0 % of all."),
        ({"cat": 11, "dog": 10}, "Nearly balanced: 10 to 11 examples of a class."),
        ({"cat": 40, "dog": 40}, "Balanced: 40 examples of every class."),
    ],
)  # fmt: skip
def test_the_balance_says_what_guessing_would_get(counts, said):
    """90 of 120 are three quarters."""
    assert compute(CARD | {"counts": counts}).balance == said


def test_only_uneven_classes_are_drawn():
    uneven = card_blocks(CARD, {})
    even = card_blocks(CARD | {"counts": {"cat": 60, "dog": 60}}, {})
    assert [one.title for one in uneven if isinstance(one, Figure)] == [
        "Examples of each class", "Validation examples of each class in each fold"
    ]  # fmt: skip
    assert {type(one) for one in even} == {Text, Table}


def test_validation_examples_are_counted_by_class_and_fold():
    found = compute(CARD)
    assert found.validated == ((30, 20), (10, 15))
    assert draw_validated(found).data[0].x == ("1", "2")


def test_a_card_of_an_older_run_says_what_it_knows():
    """Such a card has neither title nor preparation."""
    old = {key: CARD[key] for key in ("n_examples", "input_shape", "counts", "folds")}
    assert [text.split()[0] for text in words(old)] == ["120", "From"]


def test_examples_stand_between_folds_and_classes():
    shown = {"n_classes": 2, "classes": [{"class": "cat", "ids": ["a"], "texts": ["meow"]}]}
    kinds = [type(one) for one in card_blocks(CARD, shown)]
    assert kinds[-3:] == [Table, Gallery, Table]


def test_the_data_card_counts_examples_of_each_role():
    found = compute(folders.CARD)
    assert found.sizes == ((1, 1, "2", (80, 40, 0)),)
    assert found.classes == (("cat", 70, "a"), ("dog", 50, "b"))


def page(*blocks):
    """The page of one section."""
    return render_page([Chapter("x", "X", [section("x", "X", *blocks)])], title="X", made_at="now")


def test_a_sound_is_drawn_shown_and_played():
    """Two columns from -50 to 100 and from 0 to 20 percent; up is negative in SVG."""
    html = page(*galleries({"n_classes": 1, "classes": [HEARD]}))
    assert 'viewBox="0 -100 1 200"' in html
    assert '<path d="M0,-100L1,-20L1,0L0,50Z"/>' in html
    assert f'<img src="{PNG}"' in html
    assert f'src="{MP3}"' in html
    assert "bark-1, 5 s" in html


def test_a_page_without_figures_carries_no_plotly():
    assert len(page(*galleries({"n_classes": 1, "classes": [HEARD]}))) < 60_000


def test_classes_beyond_those_shown_are_counted():
    (one,) = galleries({"n_classes": 100, "classes": [HEARD]})
    assert one.title.endswith("of one example of each of 1 of 100 classes")


def test_texts_stay_text_and_reach_markdown():
    shown = galleries({"n_classes": 1, "classes": [{"class": "a", "ids": [], "texts": [NASTY]}]})
    assert NASTY not in page(*shown)
    markdown = render_markdown([Chapter("x", "X", [section("x", "X", *shown)])])
    assert '- a: ">&lt;script>alert(1)&lt;/script>' in markdown


def test_only_images_and_sounds_are_put_into_a_page():
    """A file that somebody edited can't make the page load or run anything."""
    edited = HEARD | {"spectrogram": "https://example.org/x.png", "sound": "javascript:alert(1)"}
    html = page(*galleries({"n_classes": 1, "classes": [edited]}))
    assert "example.org" not in html
    assert "javascript:" not in html


def test_rotated_images_are_a_gallery_of_their_own():
    found = galleries({"n_classes": 1, "classes": [], "rotations": PNG})
    assert [one.examples[0].picture for one in found] == [PNG]
    assert "90, 180 and 270 degrees" in found[0].title


def test_nothing_kept_is_nothing_shown():
    assert galleries({}) == []

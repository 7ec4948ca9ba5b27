"""Words become ids that the train texts alone decide."""

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import vocabulary
from data_prep.examples import DataError
from data_prep.vocabulary import tokenise

TEXTS = ["I feel so so happy", "you don't feel it", "so", "unseen words feel new"]
OPTIONS = {
    "seed": 1,
    "max_tokens": 4,
    "min_count": 1,
    "max_vocabulary": 12,
    "embedding": "learned",
    "vectors": None,
    "embedding_dim": 3,
}


def fit(train=(0, 1, 2), **changes):
    return vocabulary.fit_texts(TEXTS, train, **{**OPTIONS, **changes})


def test_tokens_are_lower_case_words_with_their_apostrophes():
    assert vocabulary.tokenise("Don't PANIC, it's 42!") == ["don't", "panic", "it's", "42"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("दिन दीन", ["दिन", "दीन"]),
        ("தமிழ்", ["தமிழ்"]),
        ("مُحَمَّد", ["مُحَمَّد"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("สวัสดีครับ ภาษาไทย", ["สวัสดีครับ", "ภาษาไทย"]),
        ("\u1780\u17d2\u179a\u17bb\u200b\u1797\u17d2\u1793\u17c6", ["ក្រុ", "ភ្នំ"]),
        ("日本語の文章、カタカナ", [*"日本語の文章", "カタカナ"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("Tiếng Việt İstanbul", ["tiếng", "việt", "i\u0307stanbul"]),
    ],
)
def test_marks_stay_with_their_letters(text: str, words: list[str]) -> None:
    """Vowel signs, points and tones make other words; ideographs are words of their own."""
    assert tokenise(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cafe\u0301 caf\u00e9", ["caf\u00e9", "caf\u00e9"]),
        ("don\u2019t \u2018don't\u2019", ["don't", "don't"]),
        ("co\u00adoperate \ufeffa\u200eb", ["cooperate", "ab"]),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627", ["\u0645\u06cc\u200c\u062e\u0648\u0627"]),
        ("film\u200d \u200cfilm", ["film", "film"]),
        ("\u0301 \u200d", []),
    ],
)
def test_one_word_has_one_spelling(text: str, words: list[str]) -> None:
    """Composed, without what can't be seen; joiners count inside of words alone."""
    assert tokenise(text) == words


@given(st.text())
def test_words_of_words_are_the_same_words(text: str) -> None:
    """Tables keep texts as their words, and divide them again."""
    words = tokenise(text)

    assert tokenise(" ".join(words)) == words


@given(st.text(st.characters(max_codepoint=0x24F, exclude_characters="\u00ad")))
def test_latin_letters_give_the_words_of_a_plain_pattern(text: str) -> None:
    """Letters, digits and underscores, with apostrophes between them."""
    composed = unicodedata.normalize("NFC", text.lower()).replace("i\u0307", "i")

    assert tokenise(text.replace("\u0130", "i")) == re.findall(r"\w+(?:'\w+)*", composed)


def test_ids_fall_with_the_count_and_ties_with_the_alphabet():
    """so 3, feel 2, the others 1; ids 0 and 1 are padding and unknown."""
    names = vocabulary.learn_vocabulary(TEXTS[:3], min_count=1, max_size=6)
    assert names == ("<padding>", "<unknown>", "so", "feel", "don't", "happy")
    rarer = vocabulary.learn_vocabulary(TEXTS[:3], min_count=2, max_size=6)
    assert rarer == ("<padding>", "<unknown>", "so", "feel")


def test_a_text_is_cut_and_padded_at_its_end():
    names = ("<padding>", "<unknown>", "so", "feel")
    encoded = vocabulary.encode(["I feel so so happy", "so", ""], names, max_tokens=4)
    assert encoded.tolist() == [[1, 3, 2, 2], [2, 0, 0, 0], [0, 0, 0, 0]]


def test_names_of_ids_cannot_be_written_in_a_text():
    """A text that says `<unknown>` means the word."""
    names = ("<padding>", "<unknown>", "unknown")
    assert vocabulary.encode(["<unknown>"], names, max_tokens=1).tolist() == [[2]]


def test_words_of_other_texts_are_unknown():
    """Only the train texts name ids; every text is encoded; the sizes are those of the options."""
    fitted = fit()
    assert "unseen" not in fitted.token_names
    assert fitted.inputs[3].tolist() == [1, 1, fitted.token_names.index("feel"), 1]
    assert fitted.inputs.dtype == np.int16
    assert fitted.model_arguments == {"vocabulary_size": 12, "embedding": None}


def test_trained_vectors_follow_from_seed_and_train_texts():
    """The same twice; another seed or other texts give others; padding is zero."""
    one, again, other, less = (
        fit(embedding="word2vec", **changes).model_arguments["embedding"]
        for changes in ({}, {}, {"seed": 2}, {"train": (0, 1)})
    )
    assert one.shape == (12, 3)
    assert one.dtype == np.float32
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, less)
    assert not one[0].any()


@pytest.mark.parametrize("heading", ["", "3 3\n"])
def test_vectors_are_read_from_a_file(tmp_path, heading):
    """word2vec's text format has a heading, GloVe's none; unknown is the mean, others random."""
    file = tmp_path / "vectors.txt"
    file.write_text(f"{heading}so 1 2 3\nfeel 3 2 1\nelsewhere 9 9 9\n")
    fitted = fit(embedding="word2vec", vectors=str(file))
    matrix, names = fitted.model_arguments["embedding"], fitted.token_names
    assert matrix[names.index("so")].tolist() == [1, 2, 3]
    assert matrix[names.index("feel")].tolist() == [3, 2, 1]
    assert matrix[1].tolist() == [2, 2, 2]
    assert matrix[names.index("happy")].any()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("so 1 2\n", "vectors.txt:1: 2 numbers, expected 3; dataset.embedding_dim"),
        ("so 1 2 x\n", "vectors.txt:1: not a token and numbers"),
        ("elsewhere 1 2 3\n", "none of 7 tokens has a vector there"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_table_of_vectors_is_named(tmp_path, content, text):
    file = tmp_path / "vectors.txt"
    if content:
        file.write_text(content)
    with pytest.raises(DataError) as error:
        fit(embedding="word2vec", vectors=str(file))
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"vectors": "x"}, "dataset.vectors is used with `embedding: word2vec` alone"),
        ({"max_vocabulary": 2}, "dataset.max_vocabulary must be at least 3, not 2"),
        ({"max_tokens": 0}, "dataset.max_tokens must be at least 1, not 0"),
    ],
)
def test_options_that_cannot_be_are_named(changes, text):
    with pytest.raises(DataError) as error:
        fit(**changes)
    assert text in str(error.value)


def test_the_stand_ins_have_the_sizes_of_what_is_fitted():
    given = vocabulary.stand_ins(max_vocabulary=12, embedding="word2vec", embedding_dim=3)
    fitted = fit(embedding="word2vec").model_arguments
    assert given["embedding"].shape == fitted["embedding"].shape
    assert given["vocabulary_size"] == fitted["vocabulary_size"]


def test_a_large_vocabulary_needs_wider_ids():
    assert [vocabulary.stored_as(size) for size in (32_767, 32_768)] == ["int16", "int32"]

"""Texts as token ids: what every text dataset learns from a fold's train texts, and how it encodes.

Id 0 is padding, id 1 every token that the train texts lack. Names in angle brackets stand for no
word of a text.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from data_prep.examples import DataError, Fitted

if TYPE_CHECKING:
    import numpy as np

    Vectors = Mapping[str, np.ndarray]

PADDING, UNKNOWN = "<padding>", "<unknown>"
Embedding = Literal["learned", "word2vec"]

_WORD = re.compile(r"\w+(?:'\w+)*")
# The same over a text whose characters are replaced by what they count as, see `_Kinds`.
_MARK, _IDEOGRAPH = "\u0300", "\u4e00"
_LETTERS = rf"(?:[^\W{_IDEOGRAPH}]{_MARK}*)+"
_WORD_OF_KINDS = re.compile(rf"{_IDEOGRAPH}{_MARK}*|{_LETTERS}(?:'{_LETTERS})*")
_JOINERS = "\u200c\u200d"  # Persian and Indic words differ by them
_IDEOGRAPHIC = ("CJK ", "IDEOGRAPHIC ", "HIRAGANA ")  # how Unicode's names of such letters begin
# Invisible: soft hyphens, directions of writing, marks of byte order, variants of one character.
_IGNORED = "\u00ad\u034f\u061c\u180e\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
_UNIFIED = str.maketrans(
    {
        **dict.fromkeys(_IGNORED),
        **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xFE00, 0xFE10)]),
        "\u2019": "'",
    }
)
_LARGEST_INT16 = 32_767
_SKIP_GRAM, _WINDOW, _EPOCHS = 1, 5, 10  # of word2vec


def tokenise(text: str) -> list[str]:
    """Lower-case words in their order, in composed Unicode (NFC).

    Words as Unicode's annex 29 sees them, but that punctuation inside of numbers and abbreviations
    divides: letters, digits and underscores with the marks that belong to them, such as vowel
    signs; an apostrophe inside a word belongs to it. Ideographs and Hiragana are words of their
    own. Scripts without spaces that need a dictionary, such as Thai, are divided at spaces alone.
    """
    text = text.lower()
    if text.isascii():
        return _WORD.findall(text)
    text = unicodedata.normalize("NFC", text.translate(_UNIFIED))
    words = _WORD_OF_KINDS.finditer(text.translate(_KINDS))
    return [text[word.start() : word.end()].rstrip(_JOINERS) for word in words]


def learn_vocabulary(texts: Iterable[str], *, min_count: int, max_size: int) -> tuple[str, ...]:
    """Name of each id: padding, unknown, then tokens by falling count, at most `max_size` in all.

    Tokens that occur fewer than `min_count` times are left out; ties go to the earlier in the
    alphabet, so that the order of the texts does not matter.
    """
    counts = Counter(token for text in texts for token in tokenise(text))
    often = [token for token, count in counts.items() if count >= min_count]
    often.sort(key=lambda token: (-counts[token], token))
    return (PADDING, UNKNOWN, *often[: max_size - 2])


def encode(texts: Iterable[str], token_names: Sequence[str], *, max_tokens: int) -> "np.ndarray":
    """(n, max_tokens) ids: the beginning of each text, padded at its end."""
    import numpy as np

    ids = {token: number for number, token in enumerate(token_names) if number > 1}
    rows = [[ids.get(token, 1) for token in tokenise(text)[:max_tokens]] for text in texts]
    encoded = np.zeros((len(rows), max_tokens), np.dtype(stored_as(len(token_names))))
    for row, found in zip(encoded, rows, strict=True):
        row[: len(found)] = found
    return encoded


def stored_as(vocabulary_size: int) -> str:
    """The smallest dtype that torch can index with and that holds every id."""
    return "int16" if vocabulary_size <= _LARGEST_INT16 else "int32"


def fit_texts(
    texts: Sequence[str],
    train_indices: "Sequence[int] | np.ndarray",
    *,
    seed: int,
    max_tokens: int,
    min_count: int,
    max_vocabulary: int,
    embedding: Embedding,
    vectors: str | None,
    embedding_dim: int,
) -> Fitted:
    """Vocabulary, and word vectors where asked for, of the train texts; ids of all texts.

    embedding: `learned` leaves it to the model; `word2vec` gives it a matrix (max_vocabulary,
        embedding_dim) float32, trained on the train texts alone, or read from the file `vectors`.
    The model is built for `max_vocabulary` ids in every fold; fewer may be in use.
    Raises DataError for options that can't be, and for a file that is no table of vectors.
    """
    import numpy as np

    _check_options(embedding, vectors, max_vocabulary=max_vocabulary, max_tokens=max_tokens)
    train = [str(texts[index]) for index in train_indices]
    names = learn_vocabulary(train, min_count=min_count, max_size=max_vocabulary)
    matrix = None
    if embedding == "word2vec":
        known = set(names[2:])
        found = (
            train_vectors(train, known, embedding_dim=embedding_dim, seed=seed)
            if vectors is None
            else read_vectors(Path(vectors), known, embedding_dim=embedding_dim)
        )
        matrix = _matrix(found, names, (max_vocabulary, embedding_dim), seed=seed)
    encoded = encode(map(str, texts), names, max_tokens=max_tokens)
    return Fitted(
        inputs=encoded.astype(np.dtype(stored_as(max_vocabulary)), copy=False),
        model_arguments={"vocabulary_size": max_vocabulary, "embedding": matrix},
        token_names=names,
    )


def stand_ins(*, max_vocabulary: int, embedding: Embedding, embedding_dim: int) -> dict[str, Any]:
    """What `fit_texts` will give the model, before any text is read; standard library only."""
    shape = (max_vocabulary, embedding_dim)
    zeros = memoryview(bytes(4 * max_vocabulary * embedding_dim)).cast("f", shape)
    given = zeros if embedding == "word2vec" else None
    return {"vocabulary_size": max_vocabulary, "embedding": given}


def train_vectors(
    texts: Iterable[str], tokens: Iterable[str], *, embedding_dim: int, seed: int
) -> "Vectors":
    """word2vec (skip-gram, window 5, 10 epochs) of `tokens` on these texts; one thread, seeded."""
    from gensim.models import Word2Vec

    known = set(tokens)
    sentences = [[token for token in tokenise(text) if token in known] for text in texts]
    model = Word2Vec(
        sentences,
        vector_size=embedding_dim,
        sg=_SKIP_GRAM,
        window=_WINDOW,
        epochs=_EPOCHS,
        min_count=1,
        seed=seed,
        workers=1,  # several would make the vectors depend on timing
    )
    return {token: model.wv[token] for token in model.wv.index_to_key}


def read_vectors(file: Path, tokens: Iterable[str], *, embedding_dim: int) -> "Vectors":
    """The vectors of `tokens` in a text file of word2vec or GloVe: a token and its numbers a line.

    Raises DataError for a missing file, a line that is not `embedding_dim` numbers long, or a file
    that has none of the tokens.
    """
    import numpy as np

    known, found = set(tokens), {}
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                token, *values = line.rstrip().split(" ")
                if number == 1 and len(values) == 1:
                    continue  # word2vec's heading: how many, how long
                if len(values) != embedding_dim:
                    raise DataError(
                        f"{file}:{number}: {len(values)} numbers, expected {embedding_dim}; "
                        "dataset.embedding_dim must be the file's"
                    )
                token = unicodedata.normalize("NFC", token)
                if token in known:
                    found[token] = np.array(values, dtype=np.float32)
    except OSError as error:
        raise DataError(f"dataset.vectors: {file}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{file}:{number}: not a token and numbers ({error})") from error
    if not found:
        raise DataError(f"{file}: none of {len(known):,} tokens has a vector there")
    return found


class _Kinds(dict[int, int]):
    """What a character counts as: a mark, an ideograph, or itself. Looked up once for each."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        kind = code
        if character in _JOINERS or unicodedata.category(character).startswith("M"):
            kind = ord(_MARK)
        elif character.isalnum() and unicodedata.name(character, "").startswith(_IDEOGRAPHIC):
            kind = ord(_IDEOGRAPH)
        self[code] = kind
        return kind


_KINDS = _Kinds()


def _matrix(
    found: "Vectors", names: Sequence[str], shape: tuple[int, int], *, seed: int
) -> "np.ndarray":
    """Padding is zero, unknown the mean of all; a token without a vector gets a random one."""
    import numpy as np

    known = np.stack(list(found.values()))
    random = np.random.default_rng(seed).normal(scale=known.std(), size=shape)
    matrix = random.astype(np.float32)
    matrix[0], matrix[1] = 0, known.mean(axis=0)
    for number, token in enumerate(names):
        if token in found:
            matrix[number] = found[token]
    return matrix


def _check_options(embedding: Embedding, vectors: str | None, **sizes: int) -> None:
    if vectors is not None and embedding != "word2vec":
        raise DataError("dataset.vectors is used with `embedding: word2vec` alone")
    for (name, value), least in zip(sizes.items(), (3, 1), strict=True):
        if value < least:
            raise DataError(f"dataset.{name} must be at least {least}, not {value}")

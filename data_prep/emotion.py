"""Emotion: 20,000 English tweets in six classes, cut by the publisher into three roles.

E. Saravia et al., "CARER: Contextualized Affect Representations for Emotion Recognition", EMNLP
2018, doi 10.18653/v1/D18-1404. Expected layout: ROOT/emotion/{train,val,test}.txt, one
`text;label` a line. The publisher's files hold texts twice, with different labels more often than
not; `duplicates: drop` removes them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from data_prep.examples import DataError, Description, Examples, Fitted
from data_prep.vocabulary import fit_texts, stand_ins, stored_as

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np

FOLDER = "emotion"
CLASS_NAMES = ("sadness", "joy", "love", "anger", "fear", "surprise")
N_KEPT, N_DROPPED = 20_000, 19_916  # examples with `duplicates` keep and drop


class Published(NamedTuple):
    """One of the publisher's files: its role, size, and where it was published."""

    role: str
    n_examples: int
    sha256: str
    url: str


_TRAIN_SHA256 = "3ab03d945a6cb783d818ccd06dafd52d2ed8b4f62f0f85a09d7d11870865b190"
_VAL_SHA256 = "34faaa31962fe63cdf5dbf6c132ef8ab166c640254ab991af78f3aea375e79ef"
_TEST_SHA256 = "60f531690d20127339e7f054edc299a82c627b5ec0dd5d552d53d544e0cfcc17"
_DROPBOX = "https://www.dropbox.com/s"
# In the order in which a repeated text is kept: test before validation before train.
PUBLISHED = {
    "test.txt": Published("test", 2_000, _TEST_SHA256, f"{_DROPBOX}/ikkqxfdbdec3fuj/test.txt?dl=1"),
    "val.txt": Published(
        "validation", 2_000, _VAL_SHA256, f"{_DROPBOX}/2mzialpsgf9k5l3/val.txt?dl=1"
    ),
    "train.txt": Published(
        "train", 16_000, _TRAIN_SHA256, f"{_DROPBOX}/1pzkadrvffbqw6o/train.txt?dl=1"
    ),
}


class Line(NamedTuple):
    """One line of a file. example_id: the file's stem and the line's number, from 0."""

    example_id: str
    role: str
    text: str
    label: str


def describe(
    *,
    duplicates: Literal["keep", "drop"] = "keep",
    max_tokens: int = 64,
    min_count: int = 2,
    max_vocabulary: int = 8000,
    embedding: Literal["learned", "word2vec"] = "learned",
    vectors: str | None = None,
    embedding_dim: int = 100,
) -> Description:
    """What is known without reading any data; the options are those of `load`."""
    return Description(
        title="Emotion: English tweets in six classes",
        input_shape=(max_tokens,),
        class_names=CLASS_NAMES,
        n_examples=N_KEPT if duplicates == "keep" else N_DROPPED,
        source="E. Saravia et al., EMNLP 2018, doi 10.18653/v1/D18-1404",
        licence="for educational and research purposes only (its README; no formal licence)",
        parts=("train", "validation", "test"),
        input_dtype="int64",
        storage_dtype=stored_as(max_vocabulary),
        model_arguments=stand_ins(
            max_vocabulary=max_vocabulary, embedding=embedding, embedding_dim=embedding_dim
        ),
    )


def prepare(
    root: "str | PathLike[str]",
    *,
    duplicates: Literal["keep", "drop"] = "keep",
    max_tokens: int = 64,
    min_count: int = 2,
    max_vocabulary: int = 8000,
    embedding: Literal["learned", "word2vec"] = "learned",
    vectors: str | None = None,
    embedding_dim: int = 100,
    progress: Callable[[int, int | None], None] | None = None,
) -> None:
    """Download the three files (2 MB) from the publisher, unless they are there already.

    progress(done, total) counts the bytes of the file under way. A file that is there is never
    replaced. Raises DataError where one can't be fetched or is not the published one.
    """
    from data_prep.download import download

    for name, published in PUBLISHED.items():
        file = Path(root) / FOLDER / name
        if file.exists():
            _check_sum(file)
        else:
            download(published.url, file, sha256=published.sha256, progress=progress)


def files(
    root: "str | PathLike[str]",
    *,
    duplicates: Literal["keep", "drop"] = "keep",
    max_tokens: int = 64,
    min_count: int = 2,
    max_vocabulary: int = 8000,
    embedding: Literal["learned", "word2vec"] = "learned",
    vectors: str | None = None,
    embedding_dim: int = 100,
) -> list[Path]:
    """The three files, and that of the vectors. Raises DataError where some are missing."""
    own = [Path(root) / FOLDER / name for name in sorted(PUBLISHED)]
    missing = [str(file) for file in own if not file.is_file()]
    if missing:
        raise DataError(
            f"emotion: missing {', '.join(missing)}\n  run `bench prepare emotion` to download "
            "them, or name another folder with `--data DIR`"
        )
    if vectors is not None and not Path(vectors).is_file():
        raise DataError(f"dataset.vectors: no file {vectors}")
    return own if vectors is None else [*own, Path(vectors)]


def load(
    root: "str | PathLike[str]",
    *,
    duplicates: Literal["keep", "drop"] = "keep",
    max_tokens: int = 64,
    min_count: int = 2,
    max_vocabulary: int = 8000,
    embedding: Literal["learned", "word2vec"] = "learned",
    vectors: str | None = None,
    embedding_dim: int = 100,
) -> Examples:
    """All texts: inputs (n,) text, which `fit` makes ids; parts are the publisher's roles.

    duplicates: `keep` leaves the files as published: 16 train texts stand in validation or test
        too, 51 texts carry two labels. `drop` keeps the test as it is; validation loses texts of
        the test, train loses texts of both; of a text that a role repeats, all go where its
        labels differ, else all but the first.
    max_tokens: words of a text that are read. min_count, max_vocabulary: a word rarer than that in
        the train texts, or beyond that many ids, is unknown.
    embedding, vectors, embedding_dim: see `vocabulary.fit_texts`.
    Raises DataError for files that are missing or not the published ones.
    """
    import numpy as np

    lines = [line for name in PUBLISHED for line in _read(Path(root) / FOLDER / name)]
    if duplicates == "drop":
        lines = list(without_duplicates(lines))
    return Examples(
        inputs=np.array([line.text for line in lines]),
        targets=np.array([CLASS_NAMES.index(line.label) for line in lines], dtype=np.int64),
        example_ids=np.array([line.example_id for line in lines]),
        class_names=CLASS_NAMES,
        parts=np.array([line.role for line in lines]),
    )


def fit(
    examples: Examples,
    train_indices: "np.ndarray",
    *,
    seed: int,
    max_tokens: int = 64,
    min_count: int = 2,
    max_vocabulary: int = 8000,
    embedding: Literal["learned", "word2vec"] = "learned",
    vectors: str | None = None,
    embedding_dim: int = 100,
) -> Fitted:
    """Vocabulary and word vectors of the train texts; inputs (n, max_tokens) ids, 0 is padding."""
    return fit_texts(
        examples.inputs,
        train_indices,
        seed=seed,
        max_tokens=max_tokens,
        min_count=min_count,
        max_vocabulary=max_vocabulary,
        embedding=embedding,
        vectors=vectors,
        embedding_dim=embedding_dim,
    )


def read_input(text: str, *, token_names: tuple[str, ...], max_tokens: int = 64) -> "np.ndarray":
    """(max_tokens,) ids of any text. token_names: those that `fit` gave the fold."""
    from data_prep.reading import token_ids

    return token_ids(text, token_names=token_names, max_tokens=max_tokens)


def without_duplicates(lines: Iterable[Line]) -> Iterable[Line]:
    """Lines whose text no role before theirs has (test, validation, train), once each.

    Of a text that validation or train repeats with different labels nothing is left; the test
    stays as it is.
    """
    lines = list(lines)
    labels: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in lines:
        labels[line.role, line.text].add(line.label)
    seen: set[str] = set()
    for line in lines:
        agrees = len(labels[line.role, line.text]) == 1
        if line.role == "test" or (line.text not in seen and agrees):
            yield line
        seen.add(line.text)


def _read(file: Path) -> list[Line]:
    _check_sum(file)
    role = PUBLISHED[file.name].role
    rows = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    cells = [row.rsplit(";", 1) for row in rows]
    return [
        Line(f"{file.stem}-{number:05d}", role, text, label)
        for number, (text, label) in enumerate(cells)
    ]


def _check_sum(file: Path) -> None:
    import hashlib

    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}; run `bench prepare emotion`") from error
    published = PUBLISHED[file.name].sha256
    if found != published:
        raise DataError(
            f"{file}: sha256 is {found}, published is {published}; "
            "move it away and run `bench prepare emotion` again"
        )

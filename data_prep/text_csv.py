"""Your own texts: a CSV table with the columns text, label and, if wanted, fold and group."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from data_prep.examples import Description, Examples, Fitted
from data_prep.own_files import Labelled, description, examples, located
from data_prep.own_tables import Columns, OptionError, ordered_classes, read_rows, refuse
from data_prep.vocabulary import fit_texts, stand_ins, stored_as, tokenise

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np


class Texts(NamedTuple):
    """A table's rows in their order: what is known of each, and its text."""

    items: list[Labelled]
    contents: list[str]
    class_names: tuple[str, ...]


def describe(
    root: "str | PathLike[str]" = ".",
    *,
    path: str,
    text_column: str = "text",
    label_column: str = "label",
    fold_column: str | None = None,
    group_column: str | None = None,
    max_tokens: int = 64,
    min_count: int = 2,
    max_vocabulary: int = 8000,
    embedding: Literal["learned", "word2vec"] = "learned",
    vectors: str | None = None,
    embedding_dim: int = 100,
) -> Description:
    """What the table says; the options are those of `load`. Raises DataError as `load` does."""
    table = _table(root, path, max_tokens=max_tokens, max_vocabulary=max_vocabulary)
    texts = _texts(table, Columns(text_column, label_column, fold_column, group_column))
    return description(
        texts.items,
        texts.class_names,
        title=f"Texts of {path}",
        input_shape=(max_tokens,),
        input_dtype="int64",
        storage_dtype=stored_as(max_vocabulary),
        model_arguments=stand_ins(
            max_vocabulary=max_vocabulary, embedding=embedding, embedding_dim=embedding_dim
        ),
    )


def prepare(
    root: "str | PathLike[str]",
    *,
    path: str,
    text_column: str = "text",
    label_column: str = "label",
    fold_column: str | None = None,
    group_column: str | None = None,
    max_tokens: int = 64,
    min_count: int = 2,
    max_vocabulary: int = 8000,
    embedding: Literal["learned", "word2vec"] = "learned",
    vectors: str | None = None,
    embedding_dim: int = 100,
) -> None:
    """Nothing to download; looks that the table is there."""
    _table(root, path)


def files(
    root: "str | PathLike[str]",
    *,
    path: str,
    text_column: str = "text",
    label_column: str = "label",
    fold_column: str | None = None,
    group_column: str | None = None,
    max_tokens: int = 64,
    min_count: int = 2,
    max_vocabulary: int = 8000,
    embedding: Literal["learned", "word2vec"] = "learned",
    vectors: str | None = None,
    embedding_dim: int = 100,
) -> list[Path]:
    """The table, and the file of the vectors. Raises OptionError where one is missing."""
    table = _table(root, path)
    if vectors is None:
        return [table]
    if not Path(vectors).is_file():
        raise OptionError(f"no such file; found {vectors!r}", option="vectors")
    return [table, Path(vectors)]


def load(
    root: "str | PathLike[str]",
    *,
    path: str,
    text_column: str = "text",
    label_column: str = "label",
    fold_column: str | None = None,
    group_column: str | None = None,
    max_tokens: int = 64,
    min_count: int = 2,
    max_vocabulary: int = 8000,
    embedding: Literal["learned", "word2vec"] = "learned",
    vectors: str | None = None,
    embedding_dim: int = 100,
) -> Examples:
    """All rows in the table's order: inputs (n,) text, which `fit` makes ids.

    text_column, label_column: must be there. fold_column: numbers from 1, or roles; None takes a
        column `fold` or `split` where there is one. group_column: likewise, `group`.
    max_tokens: words of a text that are read. min_count, max_vocabulary: a word rarer than that in
        the train texts, or beyond that many ids, is unknown.
    embedding, vectors, embedding_dim: see `vocabulary.fit_texts`.
    Raises DataError with the first few lines that are wrong.
    """
    import numpy as np

    table = _table(root, path, max_tokens=max_tokens, max_vocabulary=max_vocabulary)
    texts = _texts(table, Columns(text_column, label_column, fold_column, group_column))
    words = [" ".join(tokenise(text)[:max_tokens]) for text in texts.contents]
    return examples(texts.items, texts.class_names, np.array(words))


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
    from data_prep.own_tables import plain
    from data_prep.reading import token_ids

    return token_ids(plain(text), token_names=token_names, max_tokens=max_tokens)


def _table(root: "str | PathLike[str]", path: str, **sizes: int) -> Path:
    for (option, value), least in zip(sizes.items(), (1, 3), strict=False):
        if value < least:
            raise OptionError(f"must be at least {least}; found {value}", option=option)
    table = located(root, path)
    if not table.is_file():
        raise OptionError(f"{table} is a folder; name the table in it", option="path")
    return table


def _texts(table: Path, columns: Columns) -> Texts:
    rows = read_rows(table, columns)
    refuse(
        [
            f"{table}:{row.line}: no word in {row.content!r}"
            for row in rows
            if not tokenise(row.content)
        ],
        head=f"{table}: texts without words",
        cure="fill them or take the lines out",
    )
    items = [Labelled(f"line-{row.line:06d}", row.label, row.part, row.group) for row in rows]
    names = ordered_classes([item.label for item in items], where=str(table))
    return Texts(items, [row.content for row in rows], names)

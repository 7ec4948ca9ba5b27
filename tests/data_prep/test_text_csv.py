"""Texts of a table, and what is learned of them from the train rows alone."""

from pathlib import Path

import numpy as np
import pytest

from data_prep import text_csv
from data_prep.examples import DataError
from tests.own_data import write_texts


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Eight reviews of four writers."""
    return str(write_texts(tmp_path / "reviews.csv"))


def test_rows_become_examples_in_their_order(table: str, tmp_path: Path) -> None:
    """Named by their lines, grouped by the column group, which is there."""
    examples = text_csv.load(tmp_path, path=table)
    described = text_csv.describe(tmp_path, path=table)

    assert examples.example_ids[:2].tolist() == ["line-000002", "line-000003"]
    assert examples.inputs[0] == "a great great film no 0"
    assert examples.targets.tolist() == [1, 0] * 4
    assert examples.groups.tolist() == ["w0", "w0", "w1", "w1", "w2", "w2", "w3", "w3"]
    assert described.class_names == examples.class_names == ("bad", "good")
    assert (described.has_groups, described.parts, described.n_examples) == (True, (), 8)


def test_the_vocabulary_is_that_of_the_train_rows(table: str, tmp_path: Path) -> None:
    """`awful` is unknown (1) where no train row has it; what is short is padded with 0."""
    examples = text_csv.load(tmp_path, path=table)
    good = np.flatnonzero(examples.targets == 1)

    fitted = text_csv.fit(examples, good, seed=0, max_tokens=8, max_vocabulary=10)

    assert fitted.token_names == ("<padding>", "<unknown>", "great", "a", "film", "no")
    assert fitted.inputs[0].tolist() == [3, 2, 2, 4, 5, 1, 0, 0]
    assert fitted.inputs[1].tolist() == [3, 1, 1, 4, 5, 1, 0, 0]
    assert fitted.model_arguments == {"vocabulary_size": 10, "embedding": None}


def test_long_texts_keep_their_beginning(table: str, tmp_path: Path) -> None:
    """Nothing beyond max_tokens is stored."""
    assert text_csv.load(tmp_path, path=table, max_tokens=2).inputs[0] == "a great"


def test_the_shapes_are_known_from_the_options(table: str, tmp_path: Path) -> None:
    """Ids of max_tokens places, and a stand-in for each argument that `fit` gives."""
    described = text_csv.describe(tmp_path, path=table, max_tokens=12, max_vocabulary=50)

    assert (described.input_shape, described.input_dtype) == ((12,), "int64")
    assert described.model_arguments == {"vocabulary_size": 50, "embedding": None}


def test_word2vec_gives_a_matrix_of_the_described_shape(table: str, tmp_path: Path) -> None:
    """Trained on the train rows."""
    options = {"embedding": "word2vec", "embedding_dim": 4, "max_vocabulary": 10}
    examples = text_csv.load(tmp_path, path=table, **options)

    fitted = text_csv.fit(examples, np.arange(8), seed=0, **options)
    described = text_csv.describe(tmp_path, path=table, **options)

    assert fitted.model_arguments["embedding"].shape == (10, 4)
    assert described.model_arguments["embedding"].shape == (10, 4)


def test_a_text_without_a_word_is_named_by_its_line(tmp_path: Path) -> None:
    """It would be nothing but padding."""
    (tmp_path / "t.csv").write_text("text,label\nfine,a\n...,b\n")

    with pytest.raises(DataError, match=r"t\.csv:3: no word in '\.\.\.'"):
        text_csv.load(tmp_path, path=str(tmp_path / "t.csv"))


@pytest.mark.parametrize(
    ("option", "value"),
    [("max_tokens", 0), ("max_vocabulary", 2), ("text_column", "txt"), ("group_column", "who")],
)
def test_an_option_that_cannot_be_is_told_by_name(option: str, value: object, table: str) -> None:
    """So that the file's line can be."""
    with pytest.raises(DataError) as error:
        text_csv.describe(path=table, **{option: value})

    assert error.value.option == option


def test_a_folder_and_a_missing_file_of_vectors_are_refused(table: str, tmp_path: Path) -> None:
    """Each under its own key."""
    with pytest.raises(DataError, match="is a folder") as folder:
        text_csv.files(tmp_path, path=str(tmp_path))
    with pytest.raises(DataError, match="no such file") as vectors:
        text_csv.files(tmp_path, path=table, vectors="none.txt")

    assert (folder.value.option, vectors.value.option) == ("path", "vectors")

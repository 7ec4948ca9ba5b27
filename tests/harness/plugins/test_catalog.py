"""A name means a file: the user's folder first, then the shipped one."""

from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.plugins import catalog

MODEL = '''"""A model."""


def build(*, input_shape, num_classes, width: int = 8):
    """Build it."""
    return width
'''


def user_model(folder: Path, name: str, text: str = MODEL) -> Path:
    (folder / "models").mkdir(exist_ok=True)
    file = folder / "models" / f"{name}.py"
    file.write_text(text)
    return file


def test_shipped_models_and_datasets_are_listed_by_their_file_names(tmp_path: Path) -> None:
    """The file is the registry."""
    assert {"vit", "linear", "conv1d", "conv1d_transformer"} <= set(
        catalog.entries("model", folder=tmp_path)
    )
    assert {"digits", "esc50"} <= set(catalog.entries("dataset", folder=tmp_path))
    assert "examples" not in catalog.entries("dataset", folder=tmp_path)


def test_a_users_file_comes_first_and_says_that_it_hides(tmp_path: Path) -> None:
    """Nobody uses their own vit unawares."""
    file = user_model(tmp_path, "vit")

    entry = catalog.find("model", "vit", folder=tmp_path)

    assert entry.file == file
    assert entry.hides_shipped
    assert not catalog.find("model", "linear", folder=tmp_path).hides_shipped


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    """What there is, and what was probably meant."""
    with pytest.raises(BenchError, match="did you mean 'conv1d'"):
        catalog.find("model", "conv1", folder=tmp_path)


def test_loading_gives_the_files_functions_under_a_name_of_its_own(tmp_path: Path) -> None:
    """A user's vit does not shadow the shipped module, and a changed file is loaded anew."""
    user_model(tmp_path, "mine")
    first = catalog.load(catalog.find("model", "mine", folder=tmp_path))
    user_model(tmp_path, "mine", MODEL.replace("= 8", "= 9"))
    second = catalog.load(catalog.find("model", "mine", folder=tmp_path))

    assert first.build(input_shape=(1,), num_classes=2) == 8
    assert second.build.__kwdefaults__ == {"width": 9}
    assert not first.__name__.startswith("models")


def test_a_file_that_can_not_be_imported_is_named(tmp_path: Path) -> None:
    """The file and the reason, no traceback."""
    user_model(tmp_path, "broken", "import nothing_like_this\n" + MODEL)

    with pytest.raises(BenchError, match=r"broken\.py: ModuleNotFoundError"):
        catalog.load(catalog.find("model", "broken", folder=tmp_path))


def test_the_fingerprint_ignores_docstrings_comments_and_layout(tmp_path: Path) -> None:
    """Prose renames no trial; code does."""
    user_model(tmp_path, "mine")
    entry = catalog.find("model", "mine", folder=tmp_path)
    before = catalog.file_fingerprint(entry)
    user_model(tmp_path, "mine", MODEL.replace("Build it.", "Other words.") + "\n# a remark\n")
    prose = catalog.file_fingerprint(entry)
    user_model(tmp_path, "mine", MODEL.replace("= 8", "= 16"))
    code = catalog.file_fingerprint(entry)

    assert before == prose
    assert before != code


def test_the_fingerprint_follows_siblings_but_not_what_prepare_imports(tmp_path: Path) -> None:
    """A helper decides results; a downloader does not, its files have their own fingerprint."""
    folder = tmp_path / "data_prep"
    folder.mkdir()
    (folder / "mine.py").write_text(
        "from data_prep import helper\n"
        "def prepare(root):\n    from data_prep.fetch import get\n"
        "def load(root): ...\n"
    )
    (folder / "helper.py").write_text("x = 1\n")
    (folder / "fetch.py").write_text("y = 1\n")
    entry = catalog.find("dataset", "mine", folder=tmp_path)
    before = catalog.file_fingerprint(entry)
    (folder / "fetch.py").write_text("y = 2\n")
    after_fetch = catalog.file_fingerprint(entry)
    (folder / "helper.py").write_text("x = 2\n")

    assert before == after_fetch
    assert catalog.file_fingerprint(entry) != before


def test_the_fingerprint_leaves_out_how_examples_are_shown(tmp_path: Path) -> None:
    """`preview` is for the reader of a report; no number depends on it."""
    (tmp_path / "data_prep").mkdir()
    file = tmp_path / "data_prep" / "mine.py"
    file.write_text("def load(root): ...\n")
    entry = catalog.find("dataset", "mine", folder=tmp_path)
    before = catalog.file_fingerprint(entry)
    file.write_text("def preview(inputs):\n    return inputs\ndef load(root): ...\n")

    assert catalog.file_fingerprint(entry) == before


def test_the_fingerprint_leaves_out_how_new_inputs_are_read(tmp_path: Path) -> None:
    """And what only that imports; but not where the examples themselves are read by it."""
    (tmp_path / "data_prep").mkdir()
    file = tmp_path / "data_prep" / "mine.py"
    (tmp_path / "data_prep" / "reader.py").write_text("x = 1\n")
    reads = "def read_input(path):\n    from data_prep.reader import x\n"
    file.write_text("def load(root): ...\n")
    entry = catalog.find("dataset", "mine", folder=tmp_path)
    before = catalog.file_fingerprint(entry)
    file.write_text(reads + "def load(root): ...\n")
    apart = catalog.file_fingerprint(entry)
    file.write_text(reads + "def load(root):\n    return read_input(root)\n")
    within = catalog.file_fingerprint(entry)
    (tmp_path / "data_prep" / "reader.py").write_text("x = 2\n")

    assert before == apart != within
    assert catalog.file_fingerprint(entry) != within


def test_the_files_in_use_are_a_file_and_its_siblings_shipped_ones_among_them(
    tmp_path: Path,
) -> None:
    """What `prepare` alone imports is not needed."""
    (tmp_path / "data_prep").mkdir()
    (tmp_path / "data_prep" / "mine.py").write_text(
        "from data_prep.examples import Examples\n"
        "from data_prep.helper import y\n"
        "def prepare(root):\n    from data_prep.download import download\n"
        "def load(root): ...\n"
    )
    (tmp_path / "data_prep" / "helper.py").write_text("y = 1\n")
    entry = catalog.find("dataset", "mine", folder=tmp_path)

    assert catalog.source_files(entry) == sorted(
        [
            catalog.SHIPPED / "data_prep" / "examples.py",
            tmp_path / "data_prep" / "helper.py",
            tmp_path / "data_prep" / "mine.py",
        ]
    )


def test_changed_code_names_the_file() -> None:
    """So that `--dry-run` can say whose code makes a trial new."""
    model, dataset = catalog.find("model", "vit"), catalog.find("dataset", "digits")

    assert catalog.changed_code("a-b-1", "x-b-1", model=model, dataset=dataset) == "models/vit.py"
    assert "training version" in catalog.changed_code(
        "a-b-1", "a-b-2", model=model, dataset=dataset
    )


def test_what_another_system_left_beside_a_model_is_none(tmp_path: Path) -> None:
    """macOS writes `._name` on drives of other systems."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "._own.py").write_bytes(b"\0\5\x16\7")

    assert "._own" not in catalog.entries("model", folder=tmp_path)

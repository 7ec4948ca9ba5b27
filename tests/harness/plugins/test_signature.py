"""What a model or dataset accepts is read from the file, never by importing it."""

from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.plugins.signature import Argument, annotation_in_words, read_signature

GIVEN = ("input_shape", "num_classes")


def write(folder: Path, text: str) -> Path:
    file = folder / "model.py"
    file.write_text(text)
    return file


def test_hyper_parameters_keep_their_annotations_and_defaults(tmp_path: Path) -> None:
    """Names, annotations and literal defaults, negative ones included."""
    file = write(
        tmp_path,
        "import nothing_installed\n"
        "def build(*, input_shape, num_classes, width: int = 32, slope: float = -1e-3,\n"
        "          position: Literal['first', 'none'] = 'first', layer: int | None = None): ...\n",
    )

    found = read_signature(file, "build", given=GIVEN)

    assert found is not None
    assert found.defaults() == {"width": 32, "slope": -1e-3, "position": "first", "layer": None}
    assert found.arguments["position"].annotation == "Literal['first', 'none']"


def test_a_file_without_the_function_has_no_signature(tmp_path: Path) -> None:
    """A helper file in models/ is no model."""
    assert read_signature(write(tmp_path, "x = 1\n"), "build", given=GIVEN) is None


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def build(*, width: int = 2 * 16): ...", "the default 2 * 16 must be a literal"),
        ("def build(*, width=32): ...", "needs an annotation"),
        ("def build(*, width: Tensor = None): ...", "annotation Tensor is not from"),
        ("def build(**options): ...", "may not take *args or **kwargs"),
        ("def build(width: int = 32): ...", "must be keyword-only"),
        ("def build(:", "model.py:1:"),
    ],
)
def test_what_can_not_be_read_is_said_with_its_line(tmp_path: Path, source: str, told: str) -> None:
    """The file, the line and the rule."""
    with pytest.raises(BenchError) as caught:
        read_signature(write(tmp_path, source + "\n"), "build", given=GIVEN)

    assert told in str(caught.value)
    assert "model.py:1" in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "value", "result"),
    [
        ("int", 3, 3),
        ("float", 1, 1.0),
        ("bool", True, True),
        ("tuple[int, ...]", [1, 2], (1, 2)),
        ("list[float]", [1, 0.5], [1.0, 0.5]),
        ("int | None", None, None),
        ("Literal['a', 2]", 2, 2),
        ("Optional[str]", "x", "x"),
    ],
)
def test_a_value_of_the_right_type_passes(annotation: str, value: object, result: object) -> None:
    """Lists serve as tuples and whole numbers as floats, as in YAML they must."""
    checked = Argument("name", annotation).check(value)

    assert checked == result
    assert type(checked) is type(result)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [("int", "3"), ("int", 1.5), ("int", True), ("bool", 1), ("float", "1e-3"), ("str", 1),
     ("Literal['a']", "b"), ("int | None", "none"), ("tuple[int, int]", [1])],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(annotation: str, value: object) -> None:
    """Nothing is coerced by guess."""
    with pytest.raises(ValueError, match="must be"):
        Argument("name", annotation).check(value)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("int", "an integer"),
        ("float | None", "a number, or null"),
        ("Literal['first', 'none']", "first, none"),
        ("tuple[int, int]", "tuple[int, int]"),
    ],
)
def test_an_annotation_is_said_in_words(annotation: str, words: str) -> None:
    """What a person may write there."""
    assert annotation_in_words(annotation) == words

"""Which files of a folder count, what they are called, and what is wrong with the others."""

import os
from pathlib import Path

import pytest

from data_prep.examples import DataError
from data_prep.own_files import OwnFiles, located, own_files
from data_prep.own_tables import OptionError

ENDINGS = (".png", ".jpg")


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def listed(folder: Path, *, labels: str | None = None) -> OwnFiles:
    return own_files(folder.parent, path=str(folder), labels=labels, endings=ENDINGS)


def refusal(folder: Path, *, labels: str | None = None) -> str:
    with pytest.raises(DataError) as error:
        listed(folder, labels=labels)
    return str(error.value).replace(str(folder), "PETS")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two cats and two dogs, one of them in a folder of its own and one spelled in capitals."""
    return touch(tmp_path / "pets", "cat/a.png", "cat/b.jpg", "dog/c.PNG", "dog/old/d.jpg")


def test_the_folder_is_the_label(pets: Path) -> None:
    """At any depth; sorted by name, with / on every system."""
    own = listed(pets)

    assert [(item.name, item.label) for item in own.items] == [
        ("cat/a.png", "cat"),
        ("cat/b.jpg", "cat"),
        ("dog/c.PNG", "dog"),
        ("dog/old/d.jpg", "dog"),
    ]
    assert own.class_names == ("cat", "dog")
    assert own.raw_files == [pets / item.name for item in own.items]


def test_what_is_hidden_or_lies_beside_the_classes_does_not_count(pets: Path) -> None:
    """Hidden files and folders, what file managers leave, and a README."""
    touch(pets, ".git/x.png", "cat/.a.png", "cat/Thumbs.db", "__MACOSX/cat/a.png", "README.md")

    assert len(listed(pets).items) == 4


def test_what_systems_leave_is_no_data_at_any_depth(pets: Path) -> None:
    """Previews of a network drive beside each picture, a bin beside the classes."""
    touch(pets, "@eaDir/x.png", "#recycle/cat/a.png", "$RECYCLE.BIN/a.png", "lost+found/a.png")
    touch(pets, "cat/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "dog/old/.@__thumb/d.jpg", "cat/._a.png")

    own = listed(pets)

    assert own.class_names == ("cat", "dog")
    assert len(own.raw_files) == 4


def test_folders_named_as_roles_are_parts_not_classes(tmp_path: Path) -> None:
    """Below them lie the classes, by the same names."""
    names = ("train/cat/a.png", "train/dog/b.png", "Valid/cat/c.png", "test/dog/old/d.png")
    folder = touch(tmp_path / "pets", *names, "train/cat/e.png", "README.md", "@eaDir/x.png")

    own = listed(folder)

    assert own.class_names == ("cat", "dog")
    assert [(item.name, item.label, item.part) for item in own.items] == [
        ("Valid/cat/c.png", "cat", "validation"),
        ("test/dog/old/d.png", "dog", "test"),
        ("train/cat/a.png", "cat", "train"),
        ("train/cat/e.png", "cat", "train"),
        ("train/dog/b.png", "dog", "train"),
    ]


def test_folders_named_as_folds_are_numbered_parts(tmp_path: Path) -> None:
    """For the strategy predefined."""
    names = [f"fold{k}/{name}/{k}.png" for k in (1, 2, 10) for name in ("cat", "dog")]

    own = listed(touch(tmp_path / "pets", *names))

    assert own.class_names == ("cat", "dog")
    assert [item.part for item in own.items] == [1, 1, 10, 10, 2, 2]


def test_one_such_name_among_others_is_a_class(tmp_path: Path) -> None:
    """A train is a vehicle."""
    names = [f"{vehicle}/{k}.png" for vehicle in ("bus", "train") for k in (1, 2)]

    assert listed(touch(tmp_path / "v", *names)).class_names == ("bus", "train")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("train/cat/a.png", "train/dog/b.png"), "PETS: holds train/ alone; name that folder"),
        (
            ("train/cat/a.png", "test/cat/b.png", "cat/c.png"),
            "PETS: test/ train/ are parts of the data by their names, but for cat/; leave parts",
        ),
        (
            ("fold0/cat/a.png", "fold1/cat/b.png", "fold2/cat/c.png"),
            "PETS: fold1/ fold2/ are parts of the data by their names, but for fold0/; leave",
        ),
        (
            ("fold1/cat/a.png", "test/cat/b.png"),
            "PETS: fold1/ test/ are parts of the data by their names, but for being numbers and",
        ),
        (("train/a.png", "test/b.png"), "PETS/test: its files lie in no class; put the files"),
        (("val/cat/a.png", "valid/cat/b.png"), "of val/ valid/ two stand for the same part"),
        (
            ("train/cat/a.png", "train/dog/b.png", "test/Cat/c.png"),
            "PETS: classes that train has no file of (1)\n  test: 'Cat'\n  their folders need",
        ),
        (
            ("train/cat/a.png", "train/dog/b.png", "test/cat/c.txt"),
            "PETS: not as expected, which is FOLDER/part/class/file with .png .jpg (2)",
        ),
    ],
)
def test_parts_that_are_not_clear_are_refused(
    names: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    """In one sentence that says what to do."""
    assert told in refusal(touch(tmp_path / "pets", *names))


def test_classes_that_are_numbers_come_by_size(tmp_path: Path) -> None:
    """2 before 10."""
    folder = touch(tmp_path / "n", "10/a.png", "10/b.png", "2/a.png", "2/b.png")

    assert listed(folder).class_names == ("2", "10")


def test_names_are_the_same_from_every_file_system(tmp_path: Path) -> None:
    """An accent written as a letter of its own becomes part of the letter before it."""
    folder = touch(
        tmp_path / "p", "ha\u0308hn/e\u0301.png", "ha\u0308hn/f.png", "kuh/a.png", "kuh/b.png"
    )

    own = listed(folder)

    assert own.class_names == ("h\u00e4hn", "kuh")
    assert own.items[0].name == "h\u00e4hn/f.png"
    assert own.items[1].name == "h\u00e4hn/\u00e9.png"
    assert all(file.exists() for file in own.files)


def test_two_spellings_of_one_name_are_refused(pets: Path) -> None:
    """They would be two examples of one id."""
    touch(pets, "cat/\u00e9.png", "cat/e\u0301.png")

    assert "the same name as another file" in refusal(pets)


def test_links_to_files_are_followed_wherever_they_lead(pets: Path, tmp_path: Path) -> None:
    """So are classes that are links: many stores of data are made of them."""
    touch(tmp_path, "store/x.png", "birds/1.png", "birds/2.png")
    (pets / "cat" / "x.png").symlink_to(tmp_path / "store" / "x.png")
    (pets / "bird").symlink_to(tmp_path / "birds")

    assert [item.name for item in listed(pets).items][:2] == ["bird/1.png", "bird/2.png"]
    assert "cat/x.png" in [item.name for item in listed(pets).items]


def test_links_that_lead_nowhere_and_to_folders_inside_a_class_are_named(pets: Path) -> None:
    """A folder that holds itself would never end."""
    (pets / "cat" / "gone.png").symlink_to(pets / "nothing.png")
    (pets / "cat" / "loop").symlink_to(pets / "cat")

    text = refusal(pets)
    assert "PETS/cat/gone.png: a link that leads nowhere" in text
    assert "PETS/cat/loop: a link to a folder, inside a class" in text


def test_other_kinds_of_files_are_named_and_counted(pets: Path) -> None:
    """The first five, how many there are, and what to do."""
    touch(pets, *(f"cat/note{number}.txt" for number in range(7)))

    text = refusal(pets)
    assert text.startswith("PETS: not as expected, which is FOLDER/class/file with .png .jpg (7)")
    assert text.count("another kind of file") == 5
    assert "and 2 more" in text
    assert "begin their names with a dot" in text


def test_an_empty_class_is_named(pets: Path) -> None:
    """It would be a class that nothing can be learned of."""
    (pets / "bird").mkdir()

    assert "PETS/bird: no files in this class" in refusal(pets)


def test_one_class_is_no_question(tmp_path: Path) -> None:
    """There is nothing to tell apart."""
    folder = touch(tmp_path / "p", "cat/a.png", "cat/b.png")

    assert (
        refusal(folder) == "PETS: only the class 'cat'; a classification needs at least 2 classes"
    )


def test_a_class_of_one_example_is_named(pets: Path) -> None:
    """It can't be trained on and tested too."""
    touch(pets, "fish/a.png")

    assert "classes with too few examples (1)\n  'fish' has 1 example" in refusal(pets)


def test_files_without_a_class_are_told_what_to_do(tmp_path: Path) -> None:
    """Put them into folders, or name a table."""
    assert "its files lie in no class" in refusal(touch(tmp_path / "p", "a.png"))
    (tmp_path / "q").mkdir()
    assert "no classes in it; put the files of each class" in refusal(tmp_path / "q")


def test_a_path_is_taken_as_given_then_below_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the working directory first; an absolute path is where it says."""
    here, data = tmp_path / "here", tmp_path / "data"
    touch(here, "pets/x")
    touch(data, "pets/x", "only/x")
    monkeypatch.chdir(here)

    assert located(data, "pets") == here / "pets"
    assert located(data, "only") == data / "only"
    assert located(data, str(data / "pets")) == data / "pets"


def test_a_path_that_leads_nowhere_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both places, and which key to mend."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(OptionError) as error:
        located(tmp_path / "data", "pets")

    assert error.value.option == "path"
    assert str(error.value) == (
        f"nothing lies at {tmp_path}/pets nor {tmp_path}/data/pets; found 'pets'"
    )


@pytest.mark.parametrize("path", ["", " "])
def test_no_path_is_not_the_working_directory(path: str, tmp_path: Path) -> None:
    """An empty text would otherwise mean here."""
    with pytest.raises(OptionError):
        located(tmp_path, path)


def test_a_table_gives_labels_folds_and_groups(pets: Path) -> None:
    """Only what it lists counts, and it belongs to the raw files."""
    rows = "path,label,fold,group\ncat/a.png,pet,1,x\ncat/b.jpg,pet,2,x\ndog/c.PNG,wild,1,y\n"
    (pets / "labels.csv").write_text(rows + "dog/old/../old/d.jpg,wild,2,z\n")

    own = listed(pets, labels="labels.csv")

    assert own.class_names == ("pet", "wild")
    assert [(item.name, item.part, item.group) for item in own.items][2:] == [
        ("dog/c.PNG", 1, "y"),
        ("dog/old/d.jpg", 2, "z"),
    ]
    assert own.raw_files[0] == pets / "labels.csv"


def test_wrong_lines_of_a_table_are_named_with_their_numbers(pets: Path) -> None:
    """Missing files, other kinds, files outside of the folder and files listed twice."""
    (pets / "labels.csv").write_text(
        "path,label\ncat/a.png,x\ncat/no.png,x\ncat/note.txt,y\n../out.png,y\ncat/a.png,y\n"
    )

    text = refusal(pets, labels="labels.csv")

    assert "PETS/labels.csv: lines that are wrong (4)" in text
    assert "PETS/labels.csv:3: cat/no.png: no such file" in text
    assert "PETS/labels.csv:4: cat/note.txt: must end in one of .png .jpg" in text
    assert "PETS/labels.csv:5: ../out.png: leads out of the folder" in text
    assert "PETS/labels.csv:6: cat/a.png: listed before, at line 2" in text


def test_a_missing_table_is_the_key_s_mistake(pets: Path) -> None:
    """`labels`, not `path`."""
    with pytest.raises(OptionError, match=r"no table .*labels\.csv") as error:
        listed(pets, labels="labels.csv")

    assert error.value.option == "labels"


def test_a_folder_that_may_not_be_read_is_named(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the system's reason."""

    def refuse(folder: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)

    assert refusal(pets) == "PETS: can't be listed (Permission denied)"

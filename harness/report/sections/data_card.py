"""The data behind the numbers: examples by class, fold and role, groups and duplicates."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.report.content import Cell, Column, Section, Table, Text, empty_section, section
from harness.report.study import Study
from harness.report.wording import NOTHING, plural

KEY, TITLE = "data", "Data card"
ROLES = ("train", "validation", "test")


class Card(NamedTuple):
    """One dataset as it was used. sizes: per fold, (repeat, fold, test part, examples by role)."""

    text: str
    classes: tuple[tuple[str, int, str], ...]
    sizes: tuple[tuple[int, int, str, tuple[int, ...]], ...]


def data_card(study: Study) -> Section:
    """The data cards of the run as a section."""
    cards = [compute(card) for card in study.data_cards.values()]
    if not cards:
        return empty_section(KEY, TITLE, "The run kept no data card.")
    blocks: list[Text | Table] = []
    for card in cards:
        blocks += [Text(card.text), _size_table(card), _class_table(card)]
    return section(KEY, TITLE, *blocks)


def compute(card: Mapping[str, Any]) -> Card:
    """A card of data_card.json as printed; what it lacks is left out."""
    counts: Mapping[str, int] = card.get("counts", {})
    examples: Mapping[str, Sequence[str]] = card.get("examples", {})
    return Card(
        text=_text(card),
        classes=tuple((name, int(number), ", ".join(map(str, examples.get(name, ()))))
                      for name, number in counts.items()),
        sizes=tuple((int(one.get("repeat", 1)), int(one["fold"]),
                     str(one.get("test_part") or NOTHING), _sizes(one.get("counts", {})))
                    for one in card.get("folds", ())),
    )  # fmt: skip


def _text(card: Mapping[str, Any]) -> str:
    shape = " x ".join(str(size) for size in card.get("input_shape", ()))
    parts = [f"{plural(int(card.get('n_examples', 0)), 'example')} of shape {shape}",
             plural(len(card.get("counts", {})), "class").replace("classs", "classes")]  # fmt: skip
    if card.get("n_groups"):
        parts.append(plural(int(card["n_groups"]), "group"))
    duplicates = int(card.get("n_duplicates") or 0)
    parts.append(f"{plural(duplicates, 'duplicate')} across roles" if duplicates
                 else "no duplicates across roles")  # fmt: skip
    if card.get("groups_in_two_roles"):
        parts.append(f"groups in two roles: {len(card['groups_in_two_roles'])}")
    return ", ".join(parts) + "."


def _sizes(counts: Mapping[str, Mapping[str, int]]) -> tuple[int, ...]:
    return tuple(sum(counts.get(role, {}).values()) for role in ROLES)


def _size_table(card: Card) -> Table:
    columns = [Column(name, numeric=True) for name in ("repeat", "fold", "test part", *ROLES)]
    rows = tuple(
        tuple(Cell(text) for text in (str(repeat), str(fold), part, *(f"{n:,}" for n in sizes)))
        for repeat, fold, part, sizes in card.sizes
    )
    return Table(tuple(columns), rows, caption="Examples of each role")


def _class_table(card: Card) -> Table:
    columns = (Column("class"), Column("examples", numeric=True), Column("some of them"))
    rows = tuple((Cell(name), Cell(f"{n:,}", n), Cell(some)) for name, n, some in card.classes)
    return Table(columns, rows, caption="Examples of each class", sortable=True)

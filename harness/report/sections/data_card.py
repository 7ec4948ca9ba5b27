"""The data behind the numbers: examples by class, fold and role, groups, duplicates, and a look."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Section,
    Table,
    Text,
    empty_section,
    section,
)
from harness.report.formatting import NOTHING, plural, value_text
from harness.report.gallery import galleries
from harness.report.theme import PALETTE, SCALE, figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

KEY, TITLE = "data", "Data card"
ROLES = ("train", "validation", "test")
NORMALISED = {
    "standard": "each channel to zero mean and unit variance of the fold's train examples",
    "unit": "values 0 to 1 become -1 to 1",
}
COMMON = ("name", "limit", "normalize", "front_end", "train_per_class")
NEARLY_EVEN = 1.2  # largest class to smallest
MOST_DRAWN = 60  # classes, and folds


class Card(NamedTuple):
    """One dataset as it was used. sizes: per fold, (repeat, fold, test part, examples by role).

    origin, prepared: what it is and what was done to it, empty where nobody said. balance: how
    even the classes are. classes: name, examples, some of their ids. validated: class by fold.
    """

    origin: str
    text: str
    prepared: str
    balance: str
    classes: tuple[tuple[str, int, str], ...]
    sizes: tuple[tuple[int, int, str, tuple[int, ...]], ...]
    validated: tuple[tuple[int, ...], ...]


def data_card(results: BenchmarkResults) -> Section:
    """The data cards of the run as a section."""
    if not results.data_cards:
        return empty_section(KEY, TITLE, "The run kept no data card.")
    blocks: list[Block] = []
    for key, card in results.data_cards.items():
        blocks += card_blocks(card, results.previews.get(key, {}))
    return section(KEY, TITLE, *blocks)


def card_blocks(card: Mapping[str, Any], shown: Mapping[str, Any]) -> list[Block]:
    """One card of data_card.json, with its entry of previews.json (empty: nothing to look at)."""
    found = compute(card)
    numbers = [n for _, n, _ in found.classes]
    uneven = max(numbers, default=0) > NEARLY_EVEN * min(numbers, default=0)
    return [
        *map(Text, words(card)),
        *(_figures(found) if uneven and len(found.classes) <= MOST_DRAWN else ()),
        _size_table(found),
        *galleries(shown),
        _class_table(found),
    ]


def words(card: Mapping[str, Any]) -> list[str]:
    """A card's paragraphs: what it is, how large, how even, how prepared, how cut."""
    found = compute(card)
    folds = _folds_text(card.get("cross_validation") or {}, len(found.sizes))
    lines = (found.origin, found.text, found.balance, found.prepared, folds)
    return [line for line in lines if line]


def compute(card: Mapping[str, Any]) -> Card:
    """A card of data_card.json as printed; what it lacks is left out."""
    counts: Mapping[str, int] = card.get("counts", {})
    examples: Mapping[str, Sequence[str]] = card.get("examples", {})
    folds: Sequence[Mapping[str, Any]] = card.get("folds", ())
    held = [fold.get("counts", {}).get("validation", {}) for fold in folds]
    return Card(
        origin=_origin(card),
        text=_text(card),
        prepared=_prepared(card.get("dataset") or {}, str(card.get("preprocessing") or "")),
        balance=_balance(counts),
        classes=tuple((name, int(number), ", ".join(map(str, examples.get(name, ()))))
                      for name, number in counts.items()),
        sizes=tuple((int(one.get("repeat", 1)), int(one["fold"]),
                     str(one.get("test_part") or NOTHING), _sizes(one.get("counts", {})))
                    for one in folds),
        validated=tuple(tuple(int(one.get(name, 0)) for one in held) for name in counts),
    )  # fmt: skip


def draw_balance(card: Card) -> "go.Figure":
    """Examples of each class, the largest on top."""
    import plotly.graph_objects as go

    ordered = sorted(card.classes, key=lambda one: one[1])
    made = figure(x="examples", height_px=_height(card))
    made.add_trace(
        go.Bar(x=[n for _, n, _ in ordered], y=[name for name, _, _ in ordered], orientation="h",
               marker_color=PALETTE[0], hovertemplate="%{y}: %{x:,}<extra></extra>")
    )  # fmt: skip
    return made.update_yaxes(type="category")


def draw_validated(card: Card) -> "go.Figure":
    """Validation examples by class and fold."""
    import plotly.graph_objects as go

    repeats = len({one[0] for one in card.sizes}) > 1
    folds = [f"{repeat}.{fold}" if repeats else str(fold) for repeat, fold, _, _ in card.sizes]
    made = figure(x="repeat.fold" if repeats else "fold", height_px=_height(card))
    made.add_trace(
        go.Heatmap(x=folds, y=[name for name, _, _ in card.classes], z=card.validated,
                   colorscale=SCALE, colorbar={"thickness": 12},
                   hovertemplate="%{y}, fold %{x}: %{z:,}<extra></extra>")
    )  # fmt: skip
    made.update_xaxes(type="category")
    return made.update_yaxes(type="category", autorange="reversed")


def _figures(card: Card) -> list[Figure]:
    made = [Figure("Examples of each class", draw_balance(card), narrow=True)]
    if 1 < len(card.sizes) <= MOST_DRAWN:
        title = "Validation examples of each class in each fold"
        made.append(Figure(title, draw_validated(card), narrow=True))
    return made


def _height(card: Card) -> int:
    return max(240, 90 + 19 * len(card.classes))


def _origin(card: Mapping[str, Any]) -> str:
    if not card.get("title"):
        return ""
    named = (("Source", card.get("source")), ("Licence", card.get("licence")))
    return " ".join([f"{card['title']}.", *(f"{name}: {text}." for name, text in named if text)])


def _text(card: Mapping[str, Any]) -> str:
    shape = " x ".join(str(size) for size in card.get("input_shape", ()))
    parts = [f"{plural(int(card.get('n_examples', 0)), 'example')} of shape {shape}",
             plural(len(card.get("counts", {})), "class").replace("classs", "classes")]  # fmt: skip
    if card.get("sample_rate_hz"):
        parts.append(f"{card['sample_rate_hz']:,} Hz")
    if card.get("n_groups"):
        parts.append(plural(int(card["n_groups"]), "group"))
    if aside := card.get("set_aside"):
        parts.append(f"{sum(aside.values()):,} of them set aside for pretraining, without labels")
    parts.append(_duplicates(card))
    if card.get("groups_in_two_roles"):
        parts.append(f"groups in two roles: {len(card['groups_in_two_roles'])}")
    return ", ".join(parts) + "."


def _duplicates(card: Mapping[str, Any]) -> str:
    number = int(card.get("n_duplicates") or 0)
    if not number:
        return "no two of equal content"
    across = "shared_examples" in card.get("findings", ())
    text = f"{plural(number, 'content')} that {'occurs' if number == 1 else 'occur'} more than once"
    return f"{text}, also across the roles of a fold" if across else text


def _balance(counts: Mapping[str, int]) -> str:
    """What always guessing the largest class would get right."""
    if not counts or not sum(counts.values()):
        return ""
    largest, smallest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    share = counts[largest] / sum(counts.values())
    guess = f"always guessing it would be right for {share:.1%}".replace("%", " %")
    if counts[largest] == counts[smallest]:
        return f"Balanced: {plural(counts[largest], 'example')} of every class."
    if counts[largest] <= NEARLY_EVEN * counts[smallest]:
        return f"Nearly balanced: {counts[smallest]:,} to {counts[largest]:,} examples of a class."
    return (f"From {counts[smallest]:,} ({smallest}) to {counts[largest]:,} ({largest}) examples "
            f"of a class. {largest} is the largest: {guess} of all.")  # fmt: skip


def _prepared(dataset: Mapping[str, Any], reading: str) -> str:
    """How the raw files became inputs."""
    if not dataset:
        return ""
    options = [f"{name}={value_text(value)}" for name, value in dataset.items()
               if name not in COMMON and value is not None]  # fmt: skip
    steps = [f"dataset {dataset['name']}" + (f" ({', '.join(options)})" if options else "")]
    if reading:
        steps.append(reading)
    if front_end := dataset.get("front_end"):
        given = [f"{name}={value_text(value)}" for name, value in front_end.items()
                 if name != "name" and value is not None]  # fmt: skip
        steps.append(f"{front_end.get('name')} ({', '.join(given)})")
    if dataset.get("limit"):
        steps.append(f"at most {dataset['limit']:,} examples, balanced over parts and classes")
    if dataset.get("train_per_class"):
        steps.append(f"at most {dataset['train_per_class']:,} train examples of each class")
    steps.append(NORMALISED.get(str(dataset.get("normalize")), "not normalised"))
    return f"Preparation: {'; '.join(steps)}."


def _folds_text(cutting: Mapping[str, Any], number: int) -> str:
    """Said where there is no benchmark that says it."""
    if not cutting:
        return ""
    given = [f"{key}: {value}" for key, value in cutting.items() if key != "strategy"]
    return f"{plural(number, 'fold')}, {', '.join([str(cutting['strategy']), *given])}."


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

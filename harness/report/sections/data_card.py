"""The data behind the numbers: examples by class, fold and role, groups, duplicates, previews."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import (
    Block,
    Cell,
    Column,
    Example,
    Figure,
    Gallery,
    Section,
    Table,
    Text,
    empty_section,
    section,
)
from harness.report.formatting import NOTHING, plural, value_text
from harness.report.theme import PALETTE, SCALE, figure

KEY, TITLE = "data", "Data card"
ROLES = ("train", "validation", "test")
NORMALISED = {
    "standard": "each channel to zero mean and unit variance of the fold's train examples",
    "unit": "values 0 to 1 become -1 to 1",
}
COMMON = ("name", "limit", "normalize", "front_end", "train_per_class")  # options of every dataset
NEARLY_EVEN = 1.2  # largest class to smallest
MOST_DRAWN = 60  # classes, and folds

PICTURE, SOUND = "data:image/png;base64,", "data:audio/mpeg;base64,"
HEARD = "Waveform, spectrogram (0 to 8 kHz upwards, 80 dB from dark to light), and the sound"


class Card(NamedTuple):
    """A dataset as it was used; texts are empty where nothing is known.

    Attributes:
        origin: What it is and where it comes from.
        text: How large it is.
        prepared: How the raw files became inputs.
        balance: How even the classes are.
        classes: Name, number of examples, some of their ids.
        sizes: Of each fold: repeat, fold, test part, examples by role.
        validated: Validation examples of each class in each fold.
    """

    origin: str
    text: str
    prepared: str
    balance: str
    classes: tuple[tuple[str, int, str], ...]
    sizes: tuple[tuple[int, int, str, tuple[int, ...]], ...]
    validated: tuple[tuple[int, ...], ...]


def data_card(results: BenchmarkResults) -> Section:
    """Return the section: the data cards of the run."""
    if not results.data_cards:
        return empty_section(KEY, TITLE, "The run kept no data card.")
    blocks: list[Block] = []
    for key, card in results.data_cards.items():
        blocks += card_blocks(card, results.previews.get(key, {}))
    return section(KEY, TITLE, *blocks)


def card_blocks(card: Mapping[str, Any], shown: Mapping[str, Any]) -> list[Block]:
    """Return the blocks of one card.

    Args:
        card: An entry of data_card.json.
        shown: Its entry of previews.json; empty if there are no examples to show.
    """
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
    """Return a card's paragraphs: what it is, how large, how even, how prepared, how cut."""
    found = compute(card)
    folds = _folds_text(card.get("cross_validation") or {}, len(found.sizes))
    lines = (found.origin, found.text, found.balance, found.prepared, folds)
    return [line for line in lines if line]


def compute(card: Mapping[str, Any]) -> Card:
    """Return a card of data_card.json as it is printed; what it lacks is left out."""
    counts: Mapping[str, int] = card.get("counts", {})
    examples: Mapping[str, Sequence[str]] = card.get("examples", {})
    folds: Sequence[Mapping[str, Any]] = card.get("folds", ())
    held = [fold.get("counts", {}).get("validation", {}) for fold in folds]
    return Card(
        origin=_origin(card),
        text=_text(card),
        prepared=_prepared(card.get("dataset") or {}, str(card.get("preprocessing") or "")),
        balance=_balance(counts),
        classes=tuple(
            (name, int(number), ", ".join(map(str, examples.get(name, ()))))
            for name, number in counts.items()
        ),
        sizes=tuple(
            (
                int(fold.get("repeat", 1)),
                int(fold["fold"]),
                str(fold.get("test_part") or NOTHING),
                _sizes(fold.get("counts", {})),
            )
            for fold in folds
        ),
        validated=tuple(tuple(int(fold.get(name, 0)) for fold in held) for name in counts),
    )


def draw_balance(card: Card) -> go.Figure:
    """Draw the examples of each class, the largest on top."""
    ordered = sorted(card.classes, key=lambda named: named[1])
    made = figure(x="examples", height_px=_height(card))
    made.add_trace(
        go.Bar(
            x=[n for _, n, _ in ordered],
            y=[name for name, _, _ in ordered],
            orientation="h",
            marker_color=PALETTE[0],
            hovertemplate="%{y}: %{x:,}<extra></extra>",
        )
    )
    return made.update_yaxes(type="category")


def draw_validated(card: Card) -> go.Figure:
    """Draw validation examples by class and fold."""
    repeats = len({size[0] for size in card.sizes}) > 1
    folds = [f"{repeat}.{fold}" if repeats else str(fold) for repeat, fold, _, _ in card.sizes]
    made = figure(x="repeat.fold" if repeats else "fold", height_px=_height(card))
    made.add_trace(
        go.Heatmap(
            x=folds,
            y=[name for name, _, _ in card.classes],
            z=card.validated,
            colorscale=SCALE,
            colorbar={"thickness": 12},
            hovertemplate="%{y}, fold %{x}: %{z:,}<extra></extra>",
        )
    )
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
    parts = [
        f"{plural(int(card.get('n_examples', 0)), 'example')} of shape {shape}",
        plural(len(card.get("counts", {})), "class", "classes"),
    ]
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
    """Say how even the classes are, and what always guessing the largest would get right."""
    if not counts or not sum(counts.values()):
        return ""
    largest, smallest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    share = counts[largest] / sum(counts.values())
    guess = f"always guessing it would be right for {share:.1%}".replace("%", " %")
    if counts[largest] == counts[smallest]:
        return f"Balanced: {plural(counts[largest], 'example')} of every class."
    if counts[largest] <= NEARLY_EVEN * counts[smallest]:
        return f"Nearly balanced: {counts[smallest]:,} to {counts[largest]:,} examples of a class."
    return (
        f"From {counts[smallest]:,} ({smallest}) to {counts[largest]:,} ({largest}) examples "
        f"of a class. {largest} is the largest: {guess} of all."
    )


def _prepared(dataset: Mapping[str, Any], reading: str) -> str:
    """Say how the raw files became inputs."""
    if not dataset:
        return ""
    options = [
        f"{name}={value_text(value)}"
        for name, value in dataset.items()
        if name not in COMMON and value is not None
    ]
    steps = [f"dataset {dataset['name']}" + (f" ({', '.join(options)})" if options else "")]
    if reading:
        steps.append(reading)
    if front_end := dataset.get("front_end"):
        given = [
            f"{name}={value_text(value)}"
            for name, value in front_end.items()
            if name != "name" and value is not None
        ]
        steps.append(f"{front_end.get('name')} ({', '.join(given)})")
    if dataset.get("limit"):
        steps.append(f"at most {dataset['limit']:,} examples, balanced over parts and classes")
    if dataset.get("train_per_class"):
        steps.append(f"at most {dataset['train_per_class']:,} train examples of each class")
    steps.append(NORMALISED.get(str(dataset.get("normalize")), "not normalised"))
    return f"Preparation: {'; '.join(steps)}."


def _folds_text(cutting: Mapping[str, Any], number: int) -> str:
    """Say how the folds are cut, for a card without a benchmark that says it."""
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


def galleries(shown: Mapping[str, Any]) -> list[Gallery]:
    """Return galleries of examples: one of the classes, one of turned images.

    Args:
        shown: An entry of previews.json, see harness.data.previews. What is no media is left out.
    """
    made = []
    examples = tuple(_example(entry) for entry in shown.get("classes", ()))
    if examples:
        made.append(Gallery(_gallery_title(shown, examples), examples, wide=not examples[0].course))
    turned = _media(shown.get("rotations"), PICTURE)
    if turned:
        text = (
            "The pretraining's task: each image as it is, then turned counter-clockwise by "
            "90, 180 and 270 degrees; which was it?"
        )
        made.append(
            Gallery(text, (Example("four of the images", picture=turned, columns=4),), True)
        )
    return made


def _gallery_title(shown: Mapping[str, Any], examples: tuple[Example, ...]) -> str:
    number, every = len(examples), int(shown.get("n_classes", 0))
    kind = f"{HEARD}, of one example" if examples[0].course else "Some examples"
    known = plural(every, "class", "classes")
    return f"{kind} of each class" if number >= every else f"{kind} of each of {number} of {known}"


def _example(entry: Mapping[str, Any]) -> Example:
    ids = [str(example_id) for example_id in entry.get("ids", ())]
    picture = _media(entry.get("picture"), PICTURE)
    heard = "peaks" in entry
    seconds = f", {entry.get('seconds', 0):g} s" if heard else ""
    return Example(
        name=str(entry.get("class", "")),
        caption=", ".join(ids) + seconds,
        texts=tuple(str(text) for text in entry.get("texts", ())),
        picture=_media(entry.get("spectrogram"), PICTURE) if heard else picture,
        columns=0 if heard else len(ids),
        course=tuple(int(value) for value in entry.get("peaks", ())),
        sound=_media(entry.get("sound"), SOUND),
    )


def _media(value: Any, kind: str) -> str:
    return value if isinstance(value, str) and value.startswith(kind) else ""

"""The tokens that a model attends to, class by class, beside those that are merely frequent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import plotly.graph_objects as go

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import (
    Cell,
    Column,
    Dropdown,
    Figure,
    Option,
    Section,
    Table,
    Text,
    empty_section,
    section,
)
from harness.report.formatting import number
from harness.report.predictions import class_names_of
from harness.report.theme import figure

if TYPE_CHECKING:
    import pandas as pd
KEY, TITLE = "attention", "Attention by class"
SHOWN = 10  # tokens of each ranking
MIN_COUNT = 5  # occurrences below which a mean says nothing
MOST_CONFIGURATIONS = 6  # shown, of those that keep attention
MOST_LOOKED_AT = 40  # each is a read of the tables
MOST_HEADS = 16  # of all blocks together; beyond, only whole blocks can be chosen
MOST_CLASSES = 12  # columns whose tokens can still be read
Place = tuple[int | None, int | None]  # block and head, None for all of them


class Token(NamedTuple):
    """A token's attention over all its occurrences.

    Attributes:
        text: The token.
        occurrences: How often it occurs.
        score_sum: Sum over blocks, heads and occurrences.
        mean: Mean over blocks, heads and occurrences.
    """

    text: str
    occurrences: int
    score_sum: float
    mean: float


class ClassTokens(NamedTuple):
    """The first tokens of one predicted class by three rankings.

    Attributes:
        name: The class.
        by_sum: By `score_sum`.
        by_mean: By `mean`, among tokens with at least MIN_COUNT occurrences.
        by_count: By the number of occurrences.
        shared: How many of `by_sum` are also in `by_count`.
    """

    name: str
    by_sum: tuple[Token, ...]
    by_mean: tuple[Token, ...]
    by_count: tuple[Token, ...]
    shared: int


def attention(results: BenchmarkResults) -> Section:
    """Return the section; only models that show their attention have something in it."""
    frames = [
        (configuration, results.attention(configuration.trial_id))
        for configuration in results.complete[:MOST_LOOKED_AT]
    ]
    shown = [(configuration, rows) for configuration, rows in frames if not rows.empty][
        :MOST_CONFIGURATIONS
    ]
    if not shown:
        return empty_section(KEY, TITLE, "No complete configuration shows what it attends to.")
    found = [
        (configuration, compute(rows, class_names_of(configuration)))
        for configuration, rows in shown
    ]
    best, rows = shown[0]
    views = [(place, compute(rows, class_names_of(best), place)) for place in places(rows)]
    return section(
        KEY,
        TITLE,
        Text(_explanation(found[0][1], best)),
        Dropdown("configuration", tuple(_table_option(*pair) for pair in found)),
        Dropdown(f"blocks and heads of {best.name}", tuple(_view_option(*view) for view in views)),
    )


def compute(
    rows: "pd.DataFrame", names: Sequence[str], place: Place = (None, None)
) -> tuple[ClassTokens, ...]:
    """Rank the tokens of every predicted class over all folds.

    Args:
        rows: One trial's rows of `attention`.
        names: The classes, in their order.
        place: The block and the head; None for all of them.
    """
    for column, wanted in zip(("block", "head"), place, strict=True):
        if wanted is not None:
            rows = rows[rows[column] == wanted]
    n_heads = len(rows[["block", "head"]].drop_duplicates())
    # every block and head counts the same occurrences
    sums = rows.groupby(["class", "token"], as_index=False)[["count", "score_sum"]].sum()
    sums["count"] //= max(n_heads, 1)
    sums["mean"] = sums["score_sum"] / (sums["count"] * n_heads)
    return tuple(
        _rankings(name, sums[sums["class"] == name])
        for name in names
        if (sums["class"] == name).any()
    )


def places(rows: "pd.DataFrame") -> list[Place]:
    """Return what can be shown: everything, each block, and each head if they are few."""
    heads = sorted({(int(b), int(h)) for b, h in zip(rows["block"], rows["head"], strict=True)})
    blocks = sorted({block for block, _ in heads})
    whole: list[Place] = [(None, None)]
    if len(blocks) > 1:
        whole += [(block, None) for block in blocks]
    return [*whole, *heads] if 1 < len(heads) <= MOST_HEADS else whole


def table(found: Sequence[ClassTokens]) -> Table:
    """Return one row a class: its first tokens by each ranking."""
    columns = (
        Column("predicted class"),
        Column("summed attention", hint="what the reports rank by; frequent tokens lead"),
        Column("mean attention", hint=f"per occurrence, of tokens seen {MIN_COUNT} times or more"),
        Column("most frequent", hint="the control: no model is asked"),
        Column(
            "in common",
            numeric=True,
            hint="of the first by summed attention, among the most frequent",
        ),
    )
    rows = tuple(
        (
            Cell(ranked.name),
            Cell(_listed(ranked.by_sum)),
            Cell(_listed(ranked.by_mean)),
            Cell(_listed(ranked.by_count)),
            Cell(f"{ranked.shared} of {len(ranked.by_sum)}", ranked.shared),
        )
        for ranked in found
    )
    return Table(columns, rows)


def draw(found: Sequence[ClassTokens], ranking: str) -> go.Figure:
    """Draw ranks by classes, as tokens coloured by their share of the class's first score.

    Args:
        found: The rankings.
        ranking: `by_sum` or `by_mean`.
    """
    shown = found[:MOST_CLASSES]
    columns = [getattr(ranked, ranking) for ranked in shown]
    depth = max((len(tokens) for tokens in columns), default=0)
    scores = [
        [token.mean if ranking == "by_mean" else token.score_sum for token in tokens]
        for tokens in columns
    ]
    made = figure(x="predicted class", y="rank", height_px=90 + 26 * depth)
    made.add_trace(
        go.Heatmap(
            z=[[_share(column, rank) for column in scores] for rank in range(depth)],
            text=[
                [tokens[rank].text if rank < len(tokens) else "" for tokens in columns]
                for rank in range(depth)
            ],
            customdata=[[_hover(tokens, rank) for tokens in columns] for rank in range(depth)],
            x=[ranked.name for ranked in shown],
            y=[str(rank + 1) for rank in range(depth)],
            colorscale="Blues",
            zmin=0,
            zmax=2.6,
            showscale=False,
            xgap=2,
            ygap=1,
            texttemplate="%{text}",
            hovertemplate="%{x}, rank %{y}: %{customdata}<extra></extra>",
        )
    )
    made.update_yaxes(autorange="reversed", type="category", showgrid=False)
    made.update_xaxes(type="category", showgrid=False)
    return made


def _rankings(name: str, sums: "pd.DataFrame") -> ClassTokens:
    columns = (sums["token"], sums["count"], sums["score_sum"], sums["mean"])
    tokens = [
        Token(str(text), int(count), float(score_sum), float(mean))
        for text, count, score_sum, mean in zip(*columns, strict=True)
    ]
    by_sum = sorted(tokens, key=lambda token: (-token.score_sum, token.text))[:SHOWN]
    often = [token for token in tokens if token.occurrences >= MIN_COUNT]
    by_mean = sorted(often, key=lambda token: (-token.mean, token.text))[:SHOWN]
    by_count = sorted(tokens, key=lambda token: (-token.occurrences, token.text))[:SHOWN]
    shared = len({token.text for token in by_sum} & {token.text for token in by_count})
    return ClassTokens(name, tuple(by_sum), tuple(by_mean), tuple(by_count), shared)


def _table_option(configuration: Configuration, found: Sequence[ClassTokens]) -> Option:
    return Option(
        f"{configuration.name} {configuration.label}", (table(found),), configuration.colour
    )


def _view_option(place: Place, found: Sequence[ClassTokens]) -> Option:
    figures = (
        Figure(f"{_place_text(place)}: tokens by summed attention", draw(found, "by_sum")),
        Figure(f"{_place_text(place)}: tokens by mean attention", draw(found, "by_mean")),
    )
    return Option(_place_text(place), figures)


def _place_text(place: Place) -> str:
    block, head = place
    if block is None:
        return "All blocks and heads"
    return f"Block {block}" if head is None else f"Block {block}, head {head}"


def _listed(tokens: Sequence[Token]) -> str:
    return ", ".join(token.text for token in tokens[: SHOWN // 2])


def _share(scores: Sequence[float], rank: int) -> float | None:
    return round(scores[rank] / max(scores), 4) if rank < len(scores) and max(scores) > 0 else None


def _hover(tokens: Sequence[Token], rank: int) -> str:
    if rank >= len(tokens):
        return ""
    token = tokens[rank]
    return (
        f"sum {token.score_sum:.2f}, mean {number(token.mean)}, {token.occurrences:,} occurrences"
    )


def _explanation(found: Sequence[ClassTokens], best: Configuration) -> str:
    shared, listed = (
        sum(ranked.shared for ranked in found),
        sum(len(ranked.by_sum) for ranked in found),
    )
    return (
        "A token's attention in a text is the mean of what the text's tokens attend to it (where "
        "there is a CLS token, what CLS does), by the chosen weights, over the examples of each "
        "predicted class; padding, CLS and unknown tokens get none. Summed over occurrences it "
        f"favours frequent tokens: of the first {SHOWN} of every class of {best.name}, {shared} of "
        f"{listed} are also among its {SHOWN} most frequent ones. Per occurrence, tokens seen less "
        f"than {MIN_COUNT} times are left out. Attention shows where a model looks, not why it "
        "decides."
    )

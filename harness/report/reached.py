"""By which conventions published numbers could be reached, for people."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from harness.conventions import Judged
from harness.published.comparison import Comparison
from harness.published.reached import Reached, reached
from harness.report.board_notes import HEADINGS
from harness.report.metric_names import in_words
from harness.report.table import Table
from harness.verdicts.methods import Method

_SAID = (
    "reached by: conventions that bring ours within one test image of the published number, all else being equal. They "
    "say where to look, not what the authors did; chance: the share of our methods of that category that come as near, "
    "as judged here or by some convention. `harness conventions` says what else each convention does."
)


def reached_table(
    name: str, comparable: Sequence[Comparison], trials: Sequence[Judged], names: dict[Method, str]
) -> Table:
    """Every comparable number with ours as judged here, and where conventions bring it nearest."""
    found = reached(comparable, trials)
    return Table(
        title=_title(name, found),
        headings=["category", "method", "metric", "published", "ours", "nearest", "under", "reached by", "chance"],
        rows=[_row(one, names) for one in found],
        numbers=frozenset({"published", "ours", "nearest", "chance"}),
        notes=[_SAID],
        droppable=("under", "nearest"),
        folding=frozenset({"method", "under", "reached by"}),
    )


def _title(name: str, found: Sequence[Reached]) -> str:
    near = sum(one.as_judged for one in found)
    some = sum(one.as_judged or bool(one.by) for one in found)
    chance = sum(one.by_chance for one in found)
    return (
        f"{name} · {near} of {len(found)} numbers within one test image as judged here, {some} under some convention; "
        f"{chance:.1f} expected of shuffled rows"
    )


def _row(one: Reached, names: dict[Method, str]) -> list[str]:
    comparison, (convention, value) = one.comparison, one.nearest
    show = comparison.published.show
    words = [found.words for found in one.by]
    return [
        comparison.row.category,
        names[comparison.method],
        HEADINGS.get(comparison.metric, in_words(comparison.metric)),
        comparison.published.text,
        show(Fraction(comparison.ours.mean)),
        show(Fraction(value)),
        "as judged here" if convention is None else convention.words,
        "; ".join((["as judged here"] if one.as_judged else []) + words[:3]) + (" ..." if len(words) > 3 else ""),
        f"{one.by_chance:.2f}",
    ]

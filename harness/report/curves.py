"""Curves along protocols, such as learning curves, as tables for people, rows for programs and drawings of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.report.entries import MEAN
from harness.report.metric_names import in_words
from harness.report.protocols import data_of
from harness.report.table import Document, Row, Table
from harness.trials.trial import UNUSED
from harness.verdicts.curves import AXES, Curve, Curves, curves_of
from harness.verdicts.leaderboard import Board
from harness.verdicts.methods import labels, short_names, spellings

ENOUGH = "enough"
_NOTHING = "No curves: they take results with several values of --shots or of --contaminate."


def curves_document(boards: Sequence[Board], metric: str) -> Document:
    """For people a table for each set of curves, with a column for each value; for programs a row for each point."""
    found = curves_of(boards, metric)
    return Document(
        tables=lambda: [_table(curves, metric) for curves in found],
        rows=lambda: [row for curves in found for row in _rows(curves, metric)],
        remarks=[] if found else [[_NOTHING]],
    )


def _table(curves: Curves, metric: str) -> Table:
    values = sorted({point.at for line in curves.lines for point in line.points})
    names = labels(line.method for line in curves.lines)
    learning = curves.axis == "shots"
    headings = [said_value(curves.axis, value) for value in values]
    rows = []
    for line in curves.lines:
        by_value = {point.at: point for point in line.points}
        row = [names[line.method], *(_figure(by_value.get(value)) for value in values)]
        rows.append([*row, enough_of(curves.axis, line)] if learning else row)
    where = curves.category or MEAN
    seeds = sorted({point.seeds for line in curves.lines for point in line.points})
    note = f"{in_words(metric)}, ± standard deviation over {' or '.join(map(str, seeds))} seeds."
    unset = dict.fromkeys((line.method.threshold, unset_of(curves.axis, line)) for line in curves.lines if line.unset)
    note += "".join(f" {threshold} could set no limit at {values}." for threshold, values in unset)
    if learning:
        note += (
            f" {ENOUGH}: from so many images on a method stays within two standard errors, from seed to seed, of its "
            "last figure."
        )
    return Table(
        title=f"{data_of(curves.track)} · {where} · {in_words(metric)} by {AXES[curves.axis]}",
        headings=["method", *headings, *[ENOUGH] * learning],
        rows=rows,
        numbers=frozenset({*headings, ENOUGH}),
        notes=[note],
        folding=frozenset({"method"}),
        full={names[line.method]: line.method.title for line in curves.lines},
    )


def _figure(point: Any) -> str:
    if point is None:
        return UNUSED
    return f"{point.mean:.3f}" + ("" if point.sd is None else f" ± {point.sd:.3f}")


def said_value(axis: str, value: float) -> str:
    """A value of the axis in words: `8` images, or `5 %` for a share."""
    return f"{value:.0f}" if axis == "shots" else f"{100 * value:g} %"


def unset_of(axis: str, line: Curve) -> str:
    """The values at which its threshold could set no limit, joined by commas."""
    return ", ".join(said_value(axis, value) for value in line.unset)


def enough_of(axis: str, line: Curve) -> str:
    """The value from which it stays within its noise of the last one; empty if that cannot be told."""
    return "" if line.enough is None else said_value(axis, line.enough)


def _rows(curves: Curves, metric: str) -> Iterator[Row]:
    names = spellings(line.method for line in curves.lines)
    for line in curves.lines:
        for point in line.points:
            yield {
                "axis": curves.axis,
                "dataset": curves.track.dataset,
                "image_size": curves.track.image_size,
                "oracle": curves.track.oracle,
                "category": curves.category or MEAN,
                "method": names[line.method],
                "threshold": line.method.threshold,
                "pool": line.method.pool,
                "metric": metric,
                "value": point.at,
                "mean": point.mean,
                "sd": point.sd,
                "seeds": point.seeds,
                ENOUGH: line.enough if curves.axis == "shots" else None,
            }


def drawn_curves(boards: Sequence[Board], metric: str) -> list[dict[str, Any]]:
    """What the page's script draws: for each data set, category and threshold, the points of each method."""
    found = []
    for curves in curves_of(boards, metric):
        for threshold in dict.fromkeys(line.method.threshold for line in curves.lines):
            own = [line for line in curves.lines if line.method.threshold == threshold]
            names, short = (called(line.method for line in own) for called in (labels, short_names))
            found.append(
                {
                    "axis": curves.axis,
                    "counts": AXES[curves.axis],
                    "metric": in_words(metric),
                    "sources": list(dict.fromkeys(data_of(track) for track in curves.tracks)),
                    "data": data_of(curves.track),
                    "category": curves.category or MEAN,
                    "threshold": threshold,
                    "lines": [
                        {
                            "name": names[line.method],
                            "short": short[line.method],
                            "points": [list(point[:4]) for point in line.points],
                            "unset": unset_of(curves.axis, line),
                            "enough": enough_of(curves.axis, line) if curves.axis == "shots" else "",
                        }
                        for line in own
                    ],
                }
            )
    return found

"""Recomputes what a table claims: from the digits it prints and the sizes of its test sets, by exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Literal

from harness.published.printed import Printed
from harness.published.table import DECIDED, RATES, PublishedTable, Row, SplitCounts

Severity = Literal["impossible", "remark"]

HALF_A_POINT = Fraction(1, 200)
_MOST_PAIRS = 20_000  # more pairs than these (rates of one digit on thousands of images) are replaced by their bounds


@dataclass(frozen=True)
class Finding:
    """Something that a reader of the table should know."""

    table: str
    place: str
    """The row of the file; empty when the finding is about several."""
    about: str
    """The method and category, or what else it is about."""
    metric: str
    severity: Severity
    """impossible: no detector on this test set can have given these numbers; remark: worth knowing."""
    kind: Literal["rate", "derived", "mean", "floor", "unchecked"]
    text: str
    """The arithmetic."""


def check(table: PublishedTable) -> list[Finding]:
    """All findings, in the order of the rows; those about several rows come last.

    Only numbers that no counts can give are impossible, whether they were rounded (halves either way) or cut off.
    """
    findings = [finding for row in table.rows for finding in _row_findings(table, row)]
    methods: dict[tuple[str, ...], list[Row]] = {}
    for row in table.rows:
        methods.setdefault(row.method, []).append(row)
    for mean in table.means:
        findings += _mean_findings(table, mean, methods.get(mean.method, ()))
    return [*_left_out(table), *findings, *_hard_categories(table), *_unchecked(table)]


def _left_out(table: PublishedTable) -> Iterator[Finding]:
    """Rows of an export that its own scores do not give."""
    for fault in table.left_out:
        yield Finding(table.name, "", "rows", "", "impossible", "derived", fault)


def _row_findings(table: PublishedTable, row: Row) -> Iterator[Finding]:
    def finding(metric: str, severity: Severity, kind: Literal["rate", "derived", "floor"], text: str) -> Finding:
        return Finding(table.name, row.place, _about(row), metric, severity, kind, text)

    if row.counts and row.right:
        for metric, exact in _given(row.counts, row.right).items():
            printed = row.values.get(metric)
            if printed and not printed.admits(exact):
                right = f"{row.right[0]}/{row.counts.normal} and {row.right[1]}/{row.counts.abnormal}"
                yield finding(
                    metric, "impossible", "derived", f"{right} give {printed.show(exact)}, not {printed.text}"
                )
    elif row.counts:
        for metric, (total, what) in _totals(row.counts).items():
            printed = row.values.get(metric)
            if printed and not printed.counts(total):
                yield finding(metric, "impossible", "rate", _no_count(printed, total, what))
        for metric in DECIDED:
            if metric in row.values and all(rate in row.values for rate in RATES):
                misfit = _misfit(row, row.counts, metric)
                if misfit:
                    yield finding(metric, misfit[0], "derived", misfit[1])
    for metric, (floor, how) in _floors(row.counts).items():
        printed = row.values.get(metric)
        if printed and printed.low <= floor:
            stands = "is below" if printed.high < floor else "is, within rounding, no more than"
            yield finding(metric, "remark", "floor", f"{printed.text} {stands} {how} = {printed.show(floor)}")
    best = _best_accuracy(row)
    if row.counts and best is not None and "accuracy" not in row.values:
        floor, how = _floors(row.counts)["accuracy"]
        if best <= floor:
            shown = row.values["normal_rate"].show
            text = f"the rates give an accuracy of at most {shown(best)}, no more than {how} = {shown(floor)}"
            yield finding("accuracy", "remark", "floor", text)


def _totals(counts: SplitCounts) -> dict[str, tuple[int, str]]:
    """The number of images behind each metric that is a share of images."""
    both = counts.normal + counts.abnormal
    return {
        "normal_rate": (counts.normal, f"{counts.normal} normal"),
        "abnormal_rate": (counts.abnormal, f"{counts.abnormal} abnormal"),
        "accuracy": (both, f"{both} test"),
    }


def _no_count(printed: Printed, total: int, what: str) -> str:
    """`0.05 of 26 normal images is no k/26: 1/26 = 0.038, 2/26 = 0.077`."""
    below = int(printed.value * total)
    near = ", ".join(f"{k}/{total} = {printed.show(Fraction(k, total))}" for k in (below, below + 1))
    return f"{printed.text} of {what} images is no k/{total}: {near}"


_FORMULAS: dict[str, Callable[[Fraction, Fraction, int, int], Fraction]] = {
    "accuracy": lambda normal, abnormal, n, a: (normal + abnormal) / (n + a),
    "balanced_accuracy": lambda normal, abnormal, n, a: (normal / n + abnormal / a) / 2,
    "f1": lambda normal, abnormal, n, a: 2 * abnormal / (abnormal + a + n - normal),
}
"""Each metric from the numbers of images rightly called normal and abnormal, and of all such images.

All grow with both."""


def _given(counts: SplitCounts, right: tuple[int, int]) -> dict[str, Fraction]:
    """The value of each metric that follows from the images that were rightly called."""
    n, a = counts.normal, counts.abnormal
    normal, abnormal = (Fraction(k) for k in right)
    decided = {metric: formula(normal, abnormal, n, a) for metric, formula in _FORMULAS.items()}
    return {"normal_rate": normal / n, "abnormal_rate": abnormal / a, **decided}


def _misfit(row: Row, counts: SplitCounts, metric: str) -> tuple[Severity, str] | None:
    """How a metric contradicts the two rates beside it; None when some counts print as all three.

    Rounding moves the rates, and what follows from them, by half a unit, and the printed metric by another half. A
    difference of more than one unit is therefore not due to rounding.
    """
    n, a = counts.normal, counts.abnormal
    right, rates = row.values[metric], [row.values[rate] for rate in RATES]
    formula = _FORMULAS[metric]
    given = formula(rates[0].value * n, rates[1].value * a, n, a)
    off = abs(given - right.value)
    large = off > max(printed.unit for printed in (right, *rates))
    possible = [rate.counts(total) for rate, total in zip(rates, (n, a), strict=True)]
    whole = ""
    if all(possible):
        low, high, fits = _attainable(right, possible, lambda k, m: formula(Fraction(k), Fraction(m), n, a))
        if fits:
            return None
        span = right.show(low) if low == high else f"{right.show(low)} to {right.show(high)}"
        whole = f"; {_span(possible[0])}/{n} and {_span(possible[1])}/{a} give {span}"
    elif not large:
        return None  # one of the rates is impossible already, so nothing follows from them
    working = f"({rates[0].text} x {n} + {rates[1].text} x {a})/{n + a}" if metric == "accuracy" else "the rates"
    equals = "=" if metric == "accuracy" else "give"
    cause = "" if large else " (rounding)"
    text = f"{working} {equals} {right.show(given)}, not {right.text}: {float(100 * off):.1f} points off{cause}{whole}"
    return ("impossible" if large else "remark"), text


def _attainable(
    printed: Printed, possible: Sequence[range], value: Callable[[int, int], Fraction]
) -> tuple[Fraction, Fraction, bool]:
    """The lowest and highest value that whole counts give, and whether any of them prints as the table does."""
    low, high = (value(possible[0][end], possible[1][end]) for end in (0, -1))
    if len(possible[0]) * len(possible[1]) > _MOST_PAIRS:
        return low, high, low <= printed.high and printed.low <= high
    return low, high, any(printed.admits(value(k, m)) for k, m in product(*possible))


def _floors(counts: SplitCounts | None) -> dict[str, tuple[Fraction, str]]:
    """The best value of each metric that a constant answer reaches, and which answer that is."""
    half = Fraction(1, 2)
    floors = {
        "auroc": (half, "a constant score, 1/2"),
        "pixel_auroc": (half, "a constant score, 1/2"),
        "balanced_accuracy": (half, "any constant answer, 1/2"),
    }
    if counts:
        n, a = counts.normal, counts.abnormal
        most, answer = max((a, "all anomalous"), (n, "all normal"))
        floors["accuracy"] = Fraction(most, n + a), f"{answer}, {most}/{n + a}"
        floors["average_precision"] = Fraction(a, n + a), f"a constant score, {a}/{n + a}"
        floors["f1"] = Fraction(2 * a, 2 * a + n), f"all anomalous, {2 * a}/{2 * a + n}"
    return floors


def _best_accuracy(row: Row) -> Fraction | None:
    """The printed accuracy, or the highest that the two rates allow."""
    if "accuracy" in row.values:
        return row.values["accuracy"].value
    if row.counts is None or any(rate not in row.values for rate in RATES):
        return None
    n, a = row.counts.normal, row.counts.abnormal
    right = [row.values[rate].counts(total) for rate, total in zip(RATES, (n, a), strict=True)]
    return Fraction(right[0][-1] + right[1][-1], n + a) if all(right) else None


def _hard_categories(table: PublishedTable) -> Iterator[Finding]:
    """Categories on which no row beats a constant answer by half a point."""
    margins: dict[str, list[tuple[Fraction, Row]]] = {}
    for row in table.rows:
        best = _best_accuracy(row)
        if row.counts and best is not None:
            margins.setdefault(row.category, []).append((best - _floors(row.counts)["accuracy"][0], row))
    for category, rows in margins.items():
        margin, row = max(rows, key=lambda item: item[0])
        if len(rows) > 1 and margin < HALF_A_POINT:
            floor, how = _floors(row.counts)["accuracy"]
            show = next(iter(row.values.values())).show
            text = (
                f"none of {len(rows)} rows beats {how} = {show(floor)}, by half a point: "
                f"the best is {show(floor + margin)} ({row.title})"
            )
            yield Finding(table.name, "", category, "accuracy", "remark", "floor", text)


def _mean_findings(table: PublishedTable, mean: Row, rows: Sequence[Row]) -> Iterator[Finding]:
    for metric, printed in mean.values.items():
        members = [row for row in rows if metric in row.values]
        if not members:
            continue
        over = mean.over or len(members)
        hidden = over - len(members)
        values = [row.values[metric] for row in members]
        low = sum((value.low for value in values), Fraction(0)) / over
        high = (sum((value.high for value in values), Fraction(0)) + hidden) / over
        if low <= printed.high and printed.low <= high:
            continue
        severity: Severity = "impossible"
        pooled = None if hidden else _pooled(members, metric)
        if hidden:
            span = f"{printed.show(low)} to {printed.show(min(high, Fraction(1)))}"
            text = f"with {len(members)} of {over} categories here, their mean is from {span}, not {printed.text}"
        elif pooled is not None and abs(pooled - printed.value) <= printed.unit:
            severity = "remark"
            text = f"{printed.text} is the mean over images, {printed.show(pooled)}, not over categories"
        else:
            given = sum((value.value for value in values), Fraction(0)) / over
            text = f"the mean of {over} rows is {printed.show(given)}, not {printed.text}"
        yield Finding(table.name, mean.place, _about(mean), metric, severity, "mean", text)


def _pooled(rows: Sequence[Row], metric: str) -> Fraction | None:
    """The mean weighted by images; None for a metric that is no share of images, or where counts are missing."""
    right, total = Fraction(0), 0
    for row in rows:
        totals = _totals(row.counts) if row.counts else {}
        if metric not in totals:
            return None
        right += row.values[metric].value * totals[metric][0]
        total += totals[metric][0]
    return right / total


def _unchecked(table: PublishedTable) -> Iterator[Finding]:
    """What could not be checked; so a table without findings is known to be right."""

    def remark(about: str, text: str) -> Finding:
        return Finding(table.name, "", about, "", "remark", "unchecked", text)

    counted = {*RATES, *DECIDED}
    for category in dict.fromkeys(row.category for row in table.rows if not row.counts and counted & set(row.values)):
        yield remark(category, "no counts, so its rates stand unchecked: give n_normal and n_abnormal, or the data set")
    if table.unread:
        yield remark("columns", f"not read: {', '.join(table.unread)}")
    if table.unscored:
        text = f"{table.unscored} came without scores, so that no more than their arithmetic was checked"
        yield remark("rows", text)
    if table.without_numbers:
        yield remark("rows", f"{table.without_numbers} without a number are left out")


def _about(row: Row) -> str:
    return f"{row.title}, {row.category}"


def _span(counts: range) -> str:
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}..{counts[-1]}"

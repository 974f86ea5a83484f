"""Published numbers beside ours: what can be compared, how each method fares, and what cannot be compared and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from statistics import fmean

from harness.published.comparison import Compared, Comparison
from harness.published.printed import Printed
from harness.published.table import NOT_STATED
from harness.report.leaderboard import HEADINGS
from harness.report.table import Document, Row, Table
from harness.trials.trial import UNUSED
from harness.verdicts.methods import Method, labels

_SETTINGS = ("weights", "pool", "threshold", "epochs", "holdout", "precision", "batch_size", "learning_rate")
COLUMNS = (
    "source",
    "category",
    "model",
    "encoder",
    "loss",
    "metric",
    "published",
    "published_value",
    "published_impossible",
    "ours",
    "difference",
    "low",
    "high",
    "verdict",
    "reason",
    "seeds",
    "sd",
    "min",
    "max",
    "dataset",
    "image_size",
    *_SETTINGS,
    "fingerprint",
    "published_row",
)
IMPOSSIBLE_MARK = "!"


def comparison_document(compared: Compared) -> Document:
    """For people, what can be compared, totals by method, and what cannot; for programs, one row a published number."""
    tables, notes = comparison_tables(compared)
    return Document(
        tables=lambda: tables,
        rows=lambda: [_row(compared, comparison) for comparison in compared.comparisons],
        columns=COLUMNS,
        remarks=[[note] for note in notes],
    )


def comparison_tables(compared: Compared) -> tuple[list[Table], list[str]]:
    """What can be compared by category, totals by method, and what cannot be compared; and notes on all of it."""
    names = labels(comparison.method for comparison in compared.comparisons)
    comparable = [comparison for comparison in compared.comparisons if comparison.verdict != "not comparable"]
    rest = [comparison for comparison in compared.comparisons if comparison.verdict == "not comparable"]
    tables = _by_category(compared, comparable, names)
    tables += [_totals(compared.comparisons)] if comparable else []
    tables += [_apart(compared, rest, names)] if rest else []
    return tables, _notes(compared, comparable)


def _by_category(compared: Compared, comparable: Sequence[Comparison], names: dict[Method, str]) -> list[Table]:
    """A table a category; where its data changed between runs, one for each version."""
    by_data: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparable:
        data = comparison.row.category, comparison.verdicts[0].outcome.fingerprint
        by_data.setdefault(data, []).append(comparison)
    versions = Counter(category for category, _ in by_data)
    return [
        _numbers(
            f"{compared.table.name} · {category}{f', data {fingerprint}' if versions[category] > 1 else ''}",
            sorted(group, key=lambda comparison: names[comparison.method]),
            names,
        )
        for (category, fingerprint), group in by_data.items()
    ]


def _numbers(title: str, comparisons: Sequence[Comparison], names: dict[Method, str]) -> Table:
    several = any(len(comparison.verdicts) > 1 for comparison in comparisons)
    spread = ["seeds", "±", "min to max"] if several else []
    rows = []
    for comparison in comparisons:
        ours, printed = comparison.ours, comparison.published
        assert comparison.interval is not None
        assert comparison.difference is not None
        row = [names[comparison.method], _short(comparison.metric)]
        row.append(f"{IMPOSSIBLE_MARK if comparison.impossible else ''}{printed.text}")
        row.append(printed.show(Fraction(ours.mean)))
        if several and ours.sd is not None:
            row += [str(ours.n), printed.show(Fraction(ours.sd)), _span(printed, (ours.low, ours.high))]
        elif several:
            row += ["1", "", ""]
        sign = "+" if comparison.difference >= 0 else ""
        row += [_span(printed, comparison.interval), sign + printed.show(Fraction(comparison.difference))]
        rows.append([*row, comparison.verdict])
    reproduced = sum(comparison.verdict == "reproduced" for comparison in comparisons)
    return Table(
        title=f"{title} · {reproduced} of {len(rows)} numbers reproduced",
        headings=["method", "metric", "published", "ours", *spread, "95 %", "difference", "verdict"],
        rows=rows,
        numbers=frozenset({"published", "ours", "95 %", "difference", *spread}),
        droppable=("min to max", "±", "seeds", "difference"),
        folding=frozenset({"method"}),
    )


def _short(metric: str) -> str:
    return HEADINGS.get(metric, metric.replace("_", " "))


def _span(printed: Printed, bounds: tuple[float, float]) -> str:
    """`0.181 to 0.567`, with one digit more than is printed."""
    return " to ".join(printed.show(Fraction(bound)) for bound in bounds)


def _totals(comparisons: Sequence[Comparison]) -> Table:
    """By method, whatever pool or threshold judged it."""
    methods: dict[Method, list[Comparison]] = {}
    for comparison in comparisons:
        methods.setdefault(comparison.method._replace(pool=UNUSED, threshold=UNUSED), []).append(comparison)
    names = labels(methods)
    rows = []
    for method, group in methods.items():
        verdicts = [comparison.verdict for comparison in group]
        row = [names[method], *(str(verdicts.count(word)) for word in ("reproduced", "different", "not comparable"))]
        show = group[0].published.show
        distances = [abs(comparison.difference) for comparison in group if comparison.difference is not None]
        reaches = [(c.interval[1] - c.interval[0]) / 2 for c in group if c.interval and c.difference is not None]
        rows.append([*row, *(show(Fraction(fmean(values))) if values else "" for values in (distances, reaches))])
    headings = ["method", "reproduced", "different", "not comparable", "mean distance", "half interval"]
    return Table(
        title="By method",
        headings=headings,
        rows=rows,
        numbers=frozenset(headings[1:]),
        droppable=("half interval", "mean distance"),
        folding=frozenset({"method"}),
    )


def _apart(compared: Compared, rest: Sequence[Comparison], names: dict[Method, str]) -> Table:
    """What is not comparable, without numbers: those of different protocols stand on no line together."""
    groups: dict[tuple[str, tuple[str, ...]], list[Comparison]] = {}
    for comparison in rest:
        groups.setdefault((names[comparison.method], comparison.reasons), []).append(comparison)
    rows = []
    for (method, reasons), group in groups.items():
        categories = dict.fromkeys(comparison.row.category for comparison in group)
        metrics = dict.fromkeys(_short(comparison.metric) for comparison in group)
        rows.append([method, ", ".join(categories), ", ".join(metrics), "; ".join(reasons)])
    return Table(
        title=f"{compared.table.name} · not comparable",
        headings=["method", "categories", "metrics", "why"],
        rows=rows,
    )


def _notes(compared: Compared, comparable: Sequence[Comparison]) -> list[str]:
    table, notes = compared.table, []
    if comparable:
        notes.append("reproduced: a number that prints as published lies in our 95 % interval; different: none does.")
        single = all(len(comparison.verdicts) == 1 for comparison in comparable)
        spread = " alone, as there is one seed." if single else " and the range of seeds."
        notes.append(
            f"95 %: where a single run, as published ones are, is expected; from the size of the test set{spread}"
        )
    if any(comparison.impossible for comparison in comparable):
        notes.append(f"{IMPOSSIBLE_MARK} the published number contradicts others: `harness validate {table.name}`.")
    unsaid = [
        name.replace("_", " ")
        for name in ("setting", "image_size", "pool", "threshold")
        if any(getattr(c.row, name) in (NOT_STATED, None) and getattr(c.method, name, "") != UNUSED for c in comparable)
    ]
    if unsaid:
        notes.append(f"{table.name} does not state {', '.join(unsaid)}: there ours may differ.")
    if any("[" in part for comparison in comparable for part in comparison.method[:3]):
        notes.append("A name with options is a variant of the published method.")
    tried = f", {compared.tried} of them skipped or failed" if compared.tried else ""
    notes.append(
        f"Cells (a method on a category) published but not here: {compared.lacking} of {len(table.rows)}{tried}."
    )
    notes.append(f"Cells that are here but not published: {compared.unpublished}.")
    if table.means:
        notes.append(f"{len(table.means)} published means over categories are left out.")
    return notes


def _row(compared: Compared, comparison: Comparison) -> Row:
    ours, trial = comparison.ours, comparison.verdicts[0].trial
    low, high = comparison.interval if comparison.difference is not None and comparison.interval else (None, None)
    return {
        "source": compared.table.name,
        "category": comparison.row.category,
        **{name: getattr(comparison.method, name) for name in ("model", "encoder", "loss")},
        "metric": comparison.metric,
        "published": comparison.published.text,
        "published_value": float(comparison.published.value),
        "published_impossible": comparison.impossible,
        "ours": ours.mean,
        "difference": comparison.difference,
        "low": low,
        "high": high,
        "verdict": comparison.verdict,
        "reason": "; ".join(comparison.reasons),
        "seeds": ours.n,
        "sd": ours.sd,
        "min": ours.low,
        "max": ours.high,
        "dataset": trial.dataset,
        "image_size": trial.image_size,
        **{name: getattr(comparison.method, name) for name in _SETTINGS},
        "fingerprint": comparison.verdicts[0].outcome.fingerprint,
        "published_row": comparison.row.place,
    }

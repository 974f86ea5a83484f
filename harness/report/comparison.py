"""Published numbers beside ours: what can be compared, how each method fares, and what cannot be compared and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import fmean

from harness.conventions import Judged
from harness.printable import command
from harness.published.chance import Chance, chance_of, shuffled_of
from harness.published.comparison import Compared, Comparison
from harness.published.printed import Printed
from harness.published.table import NOT_STATED
from harness.report.board_notes import HEADINGS
from harness.report.metric_names import in_words
from harness.report.protocols import with_protocols
from harness.report.reached import reached_table
from harness.report.table import Document, Row, Table
from harness.trials.trial import UNUSED, named
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
    "difference_low",
    "difference_high",
    "margin",
    "verdict",
    "reason",
    "seeds",
    "sd",
    "min",
    "max",
    "deviation",
    "freedom",
    "images",
    "equivalent_if_shuffled",
    "dataset",
    "image_size",
    *_SETTINGS,
    "fingerprint",
    "published_row",
)
IMPOSSIBLE_MARK = "!"
VERDICTS = ("equivalent", "different", "inconclusive")
TOO_WIDE = 0.15
_CHANCE = (
    "shuffled: equivalent on average when our rows are dealt out to the published ones by chance; P: how often such a "
    "deal has as many or more; constant rate: for a detector that looks at nothing; mean row: for the mean of the "
    "published rows in the place of ours; free: numbers that do not follow from others, as the accuracy does from the "
    "rates; rank: rank correlation of our methods with the published ones."
)


def comparison_document(compared: Compared, conventions: Sequence[Judged] | None = None) -> Document:
    """For people, what can be compared, totals beside chance, and what cannot; for programs, a row a number.

    With trials judged under conventions, also by which of these a number could be reached.
    """
    tables, notes = comparison_tables(compared)
    comparable = [comparison for comparison in compared.comparisons if not comparison.reasons]
    if conventions is not None and comparable:
        names = labels(comparison.method for comparison in compared.comparisons)
        tables.append(reached_table(compared.table.name, comparable, conventions, names))
    return Document(
        tables=lambda: tables,
        rows=lambda: _rows(compared),
        columns=with_protocols(COLUMNS, (one.verdicts[0].trial.protocol for one in compared.comparisons)),
        remarks=[[note] for note in notes],
    )


def comparison_tables(compared: Compared) -> tuple[list[Table], list[str]]:
    """What can be compared by category, totals beside chance and by method, what cannot be compared; and notes."""
    names = labels(comparison.method for comparison in compared.comparisons)
    comparable = [comparison for comparison in compared.comparisons if not comparison.reasons]
    rest = [comparison for comparison in compared.comparisons if comparison.reasons]
    chances = chance_of(compared.table, comparable)
    tables = [_numbers(compared, name, chance, names) for name, chance in chances.items() if name]
    tables += [_beside_chance(chances), _totals(compared.comparisons)] if comparable else []
    tables += [_apart(compared, rest, names)] if rest else []
    tables += [_beside_floors(compared)] if compared.floors else []
    return tables, _notes(compared, comparable)


def _numbers(compared: Compared, category: str, chance: Chance, names: dict[Method, str]) -> Table:
    comparisons = sorted(chance.comparisons, key=lambda comparison: names[comparison.method])
    several = any(len(comparison.verdicts) > 1 for comparison in comparisons)
    spread = ["seeds", "±", "min to max"] if several else []
    rows = []
    for comparison in comparisons:
        ours, printed = comparison.ours, comparison.published
        assert comparison.bounds is not None
        assert comparison.difference is not None
        row = [names[comparison.method], _short(comparison.metric)]
        row.append(f"{IMPOSSIBLE_MARK if comparison.impossible else ''}{printed.text}")
        row.append(printed.show(Fraction(ours.mean)))
        if several and ours.sd is not None:
            row += [str(ours.n), printed.show(Fraction(ours.sd)), _span(printed, (ours.low, ours.high))]
        elif several:
            row += ["1", "", ""]
        row += [_signed(printed, comparison.difference), _span(printed, comparison.bounds, signed=True)]
        rows.append([*row, comparison.verdict])
    equivalent = chance.count("equivalent")
    by_chance = f"{chance.shuffled:.1f} expected of shuffled rows"
    return Table(
        title=f"{compared.table.name} · {category} · {equivalent} of {len(rows)} numbers equivalent, {by_chance}",
        headings=["method", "metric", "published", "ours", *spread, "difference", "90 %", "verdict"],
        rows=rows,
        numbers=frozenset({"published", "ours", "90 %", "difference", *spread}),
        droppable=("min to max", "±", "seeds", "difference"),
        folding=frozenset({"method"}),
    )


def _beside_chance(chances: Mapping[str, Chance]) -> Table:
    """The totals, and what they would be if ours knew nothing of the published methods."""
    metrics = list(dict.fromkeys(metric for chance in chances.values() for metric in chance.correlations))
    headings = ["category", "numbers", *VERDICTS, "shuffled", "P", "constant rate", "mean row"]
    headings += ["free", "free equivalent", *(f"rank {_short(metric)}" for metric in metrics)]
    rows = []
    for category, chance in chances.items():
        row = [category or "all", str(len(chance.comparisons)), *(str(chance.count(word)) for word in VERDICTS)]
        row += [f"{chance.shuffled:.1f}", "" if chance.p is None else f"{chance.p:.2f}"]
        row += [str(chance.constant), str(chance.mean_row), str(len(chance.free))]
        row.append(str(chance.count("equivalent", of_free=True)))
        found = (chance.correlations.get(metric) for metric in metrics)
        rows.append([*row, *("" if value is None else f"{value:.2f}" for value in found)])
    return Table(
        title="Equivalent numbers, and how many chance would give",
        headings=headings,
        rows=rows,
        numbers=frozenset(headings[1:]),
        notes=[_CHANCE],
        droppable=[*headings[len(headings) - len(metrics) :], "free", "free equivalent", "inconclusive"],
    )


def _beside_floors(compared: Compared) -> Table:
    """How many published numbers are better than what a few numbers of a whole image say."""
    headings = ["category", "floor", "metric", "floor has", "published", "better", "no better", "too near to tell"]
    rows = [
        [one.category, one.floor.replace("_", " "), in_words(one.metric), f"{one.value:.3f}"]
        + [str(count) for count in (one.better + one.worse + one.near, one.better, one.worse, one.near)]
        for one in compared.floors
    ]
    return Table(
        title=f"{compared.table.name} · beside floors that see next to nothing",
        headings=headings,
        rows=rows,
        numbers=frozenset(headings[3:]),
        notes=["A balanced accuracy that is not printed is the mean of the two printed rates."],
    )


def _short(metric: str) -> str:
    return HEADINGS.get(metric, in_words(metric))


def _span(printed: Printed, bounds: tuple[float, float], signed: bool = False) -> str:
    """`0.181 to 0.567`, with one digit more than is printed; `-0.181 to +0.567` where they are differences."""
    return " to ".join(_signed(printed, bound) if signed else printed.show(Fraction(bound)) for bound in bounds)


def _signed(printed: Printed, difference: float) -> str:
    return ("+" if difference >= 0 else "") + printed.show(Fraction(difference))


def _totals(comparisons: Sequence[Comparison]) -> Table:
    """By method, whatever pool or threshold judged it."""
    comparable = [comparison for comparison in comparisons if not comparison.reasons]
    by_chance = dict(zip(map(id, comparable), shuffled_of(comparable), strict=True))
    methods: dict[Method, list[Comparison]] = {}
    for comparison in comparisons:
        methods.setdefault(comparison.method._replace(pool=UNUSED, threshold=UNUSED), []).append(comparison)
    names = labels(methods)
    rows = []
    for method, group in methods.items():
        verdicts = [comparison.verdict for comparison in group]
        show = group[0].published.show
        known = [comparison for comparison in group if not comparison.reasons]
        row = [names[method], str(verdicts.count("equivalent"))]
        row.append(f"{sum(by_chance[id(comparison)] for comparison in known):.1f}" if known else "")
        row += [str(verdicts.count(word)) for word in ("different", "inconclusive", "not comparable")]
        distances = [abs(comparison.difference) for comparison in known if comparison.difference is not None]
        reaches = [(c.bounds[1] - c.bounds[0]) / 2 for c in known if c.bounds]
        rows.append([*row, *(show(Fraction(fmean(values))) if values else "" for values in (distances, reaches))])
    headings = ["method", "equivalent", "shuffled", "different", "inconclusive", "not comparable"]
    headings += ["mean distance", "half interval"]
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
        margin = f"{compared.margin:.2f}"
        notes.append(
            f"equivalent: ours minus theirs lies within {margin} by two one-sided tests at .05 (90 %: its interval); "
            f"different: it lies beyond {margin}; inconclusive: neither can be said."
        )
        notes.append(_noise(comparable))
        if compared.margin >= TOO_WIDE:
            notes.append(f"A margin of {margin} tells methods hardly apart: see what shuffled rows come to.")
    if any(comparison.impossible for comparison in comparable):
        why = command("harness", "validate", table.name)
        notes.append(f"{IMPOSSIBLE_MARK} the published number contradicts others: `{why}`.")
    unsaid = [
        name.replace("_", " ")
        for name in ("setting", "image_size", "pool", "threshold")
        if any(getattr(c.row, name) in (NOT_STATED, None) and getattr(c.method, name, "") != UNUSED for c in comparable)
    ]
    if unsaid:
        notes.append(f"{table.name} does not state {', '.join(unsaid)}: there ours may differ.")
    if any("[" in part for comparison in comparable for part in comparison.method[:3]):
        notes.append("A name with options is a variant of the published method.")
    for ours, theirs in compared.near_misses:
        notes.append(f"Not joined, but alike: {ours} here and {theirs} published. If they are the same, name them so.")
    tried = f", {compared.tried} of them skipped or failed" if compared.tried else ""
    notes.append(
        f"Cells (a method on a category) published but not here: {compared.lacking} of {len(table.rows)}{tried}."
    )
    notes.append(f"Cells that are here but not published: {compared.unpublished}.")
    if table.means:
        notes.append(f"{len(table.means)} published means over categories are left out.")
    return notes


def _noise(comparable: Sequence[Comparison]) -> str:
    """Where the noise of a single run is known from."""
    if all(comparison.noise.freedom == 0 for comparison in comparable):
        return (
            "No method here has two seeds, so a seed is taken to move a number as far as another test set would: "
            "run more --seeds."
        )
    said = "The interval counts the seeds of both runs, by the deviation of all methods together, and the test images."
    if any(comparison.noise.freedom == 0 for comparison in comparable):
        said += " Where no method has two seeds, a seed counts as much as another test set would."
    return said


def _rows(compared: Compared) -> list[Row]:
    comparable = [comparison for comparison in compared.comparisons if not comparison.reasons]
    by_chance = dict(zip(map(id, comparable), shuffled_of(comparable), strict=True))
    return [_row(compared, comparison, by_chance.get(id(comparison))) for comparison in compared.comparisons]


def _row(compared: Compared, comparison: Comparison, by_chance: float | None) -> Row:
    ours, trial = comparison.ours, comparison.verdicts[0].trial
    low, high = comparison.bounds or (None, None)
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
        "difference_low": low,
        "difference_high": high,
        "margin": comparison.margin,
        "verdict": comparison.verdict,
        "reason": "; ".join(comparison.reasons),
        "seeds": ours.n,
        "sd": ours.sd,
        "min": ours.low,
        "max": ours.high,
        "deviation": comparison.noise.deviation,
        "freedom": comparison.noise.freedom,
        "images": comparison.images,
        "equivalent_if_shuffled": by_chance,
        "dataset": trial.dataset,
        "image_size": trial.image_size,
        **named(trial.protocol),
        **{name: getattr(comparison.method, name) for name in _SETTINGS},
        "fingerprint": comparison.verdicts[0].outcome.fingerprint,
        "published_row": comparison.row.place,
    }

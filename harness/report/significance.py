"""Paired tests: a table a board for people, a row a pair for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_lowercase

from harness.metrics.significance import CriticalDifference, Pair
from harness.report.metric_names import in_words
from harness.report.protocols import with_protocols
from harness.report.table import Document, Row, Table
from harness.trials.trial import named, spelt
from harness.verdicts.image_tests import BOOTSTRAP, DECISIONS, DELONG
from harness.verdicts.methods import spellings
from harness.verdicts.paired_tests import ALPHA, PairedTests
from harness.verdicts.rows import BoardRow

COLUMNS = (
    "test",
    "dataset",
    "image_size",
    "oracle",
    "category",
    "metric",
    "n",
    "seeds",
    "first",
    "second",
    "difference",
    "wins",
    "losses",
    "p",
    "p_holm",
    "critical_difference",
    "iman_davenport",
    "told_apart",
    "p_better",
    "p_equivalent",
    "p_worse",
)
_SHARES = COLUMNS[-3:]
"""How likely the first is better in practice, as good, or worse; empty without --rope."""
_PRACTICAL = ("better", "equal", "worse")
_FEW = 6
"""Categories below which no signed-rank test can tell two methods apart."""
_CLASS = {"normal_rate": "normal ", "abnormal_rate": "anomalous "}


def significance_document(tests: Sequence[PairedTests]) -> Document:
    """For people, each method against the best, and whom it beats; for programs, one row a test and pair."""
    nothing = "No tests: they need two methods with verdicts on the same images."
    return Document(
        tables=lambda: [_table(tested) for tested in tests],
        rows=lambda: [row for tested in tests for row in _rows(tested)],
        columns=with_protocols(COLUMNS, (tested.board.track.protocol for tested in tests)),
        remarks=[] if tests else [[nothing]],
    )


def _table(tested: PairedTests) -> Table:
    overall, critical = tested.board.category is None, tested.critical
    against_best = {pair.second: pair for pair in tested.pairs if pair.first == next(iter(tested.lines))}
    numbers = {name: str(position) for position, name in enumerate(tested.lines, 1)}
    counted = tested.test == DECISIONS
    headings = ["no.", "method", "right" if counted else f"{'mean ' * overall}{in_words(tested.metric)}"]
    headings += ["mean rank", "group"] if critical else []
    headings += [] if tested.too_few else ["against 1", "p", "p Holm", "better than"]
    headings += list(_PRACTICAL) if tested.practical else []
    rows = []
    for name, line in tested.lines.items():
        row = [numbers[name], name]
        row.append(_counted(line, tested) if counted else f"{line.worth(tested.metric):.3f}")
        row += [f"{critical.ranks[name]:.2f}", _letters(critical, name)] if critical else []
        row += [] if tested.too_few else [*_against(against_best.get(name)), _beaten(tested, name, numbers)]
        row += _practical(tested, name) if tested.practical else []
        rows.append(row)
    return Table(
        title=_title(tested),
        headings=headings,
        rows=rows,
        numbers=frozenset({"no.", headings[2], "mean rank", "against 1", "p", "p Holm", *_PRACTICAL}),
        notes=[" ".join(_notes(tested))],
        droppable=("p", "against 1"),
        folding=frozenset({"method", "better than"}),
    )


def _counted(line: BoardRow, tested: PairedTests) -> str:
    """`71 of 83`, or `70.3 of 83` of several seeds."""
    count = line.stats[tested.metric].mean * tested.n
    return f"{f'{count:.1f}'.removesuffix('.0')} of {tested.n}"


def _practical(tested: PairedTests, name: str) -> list[str]:
    """How likely a method is better in practice than the best one, as good, or worse."""
    found = tested.practical.get((next(iter(tested.lines)), name))
    return (
        ["", "", ""] if found is None else [f"{share:.2f}" for share in (found.worse, found.equivalent, found.better)]
    )


def _title(tested: PairedTests) -> str:
    board = tested.board
    scope = f"{board.category} · on {tested.n} {_CLASS.get(tested.metric, '')}test images"
    scope = f"over {tested.n} categories" if board.category is None else scope
    parts = ["Which differ", board.track.dataset, f"{board.track.image_size} px", scope]
    parts += filter(None, [spelt(board.track.protocol)])
    return " · ".join([*parts, *(["ORACLE: thresholds saw test labels"] if board.track.oracle else [])])


def _against(pair: Pair | None) -> list[str]:
    """How a method fares against the best one, seen from the method."""
    return [f"{pair.losses} : {pair.wins}", _figure_of(pair.p), _figure_of(pair.p_holm)] if pair else ["", "", ""]


def _figure_of(p: float) -> str:
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def _beaten(tested: PairedTests, name: str, numbers: dict[str, str]) -> str:
    told = [pair for pair in tested.pairs if pair.p_holm < ALPHA]
    better = [pair.second for pair in told if pair.first == name and _ahead(tested, pair) > 0]
    better += [pair.first for pair in told if pair.second == name and _ahead(tested, pair) < 0]
    return ", ".join(sorted((numbers[other] for other in better), key=int))


def _ahead(tested: PairedTests, pair: Pair) -> float:
    """Positive where the first of a pair is better: over categories ranks decide, and else the difference."""
    return pair.wins - pair.losses if tested.board.category is None else pair.difference


def _letters(critical: CriticalDifference, name: str) -> str:
    """The letters of the groups that a method is in: a, b, ... z, a1, b1 ..."""
    named = [f"{ascii_lowercase[i % 26]}{i // 26 or ''}" for i in range(len(critical.groups))]
    return " ".join(letter for letter, group in zip(named, critical.groups, strict=True) if name in group)


def _notes(tested: PairedTests) -> list[str]:
    pairs = f"{len(tested.pairs)} pairs" if len(tested.pairs) > 1 else "1 pair"
    critical, notes = tested.critical, []
    if critical:
        notes.append(
            "Methods that share a letter are not told apart: "
            f"their mean ranks differ by less than {critical.distance:.2f} (Nemenyi, {ALPHA:g})."
        )
        notes.append(
            f"Friedman's test that all are equal: p {_p(critical.p)} by permutation within categories "
            f"(Iman and Davenport's F: p {_p(critical.iman_davenport)})."
        )
    if tested.practical:
        notes.append(
            "better, equal, worse: how likely each is in practice against 1, with equal up to the --rope given "
            "(Bayesian signed-rank test)." + " It is too sure of so few categories." * (tested.n < _FEW)
        )
    if tested.too_few:
        notes.append(
            f"Signed-rank test: {tested.n} categories are too few for {pairs} to differ at {ALPHA:g}, "
            f"which takes {tested.needed}."
        )
        return notes
    if tested.board.category is None:
        notes.append(f"against 1: categories won and lost; p: signed-rank test, corrected by Holm for {pairs}.")
    else:
        notes += _notes_on_images(tested, pairs)
    notes.append(f"better than: corrected p below {ALPHA:g}.")
    return notes


def _notes_on_images(tested: PairedTests, pairs: str) -> list[str]:
    single = all(pair.seeds == 1 for pair in tested.pairs)
    over = "over the seeds that both have, drawn as the images are"
    if tested.test == DELONG:
        notes = ["against 1: images that this one, and that the best, places better among those of the other class."]
        notes.append(f"p: DeLong's test{'' if single else f' {over}'}, corrected by Holm for {pairs}.")
    elif tested.test == BOOTSTRAP:
        notes = ["against 1: seeds in which this one, and in which the best, is better."]
        notes.append(
            f"p: paired bootstrap of the images{'' if single else f', {over}'}, corrected by Holm for {pairs}."
        )
    elif single:
        notes = ["against 1: images that only this one, and only the best, judged rightly."]
        notes.append(f"p: McNemar's exact test, corrected by Holm for {pairs}.")
    else:
        notes = ["against 1: images that this one, and that the best, judged rightly in more seeds."]
        notes.append(f"p: {over} (McNemar's exact test for one seed), corrected by Holm for {pairs}.")
    if any(pair.seeds == 1 for pair in tested.pairs):
        notes.append("Where there is one seed of each, p is of these fits alone: other seeds may say otherwise.")
    untested = math.comb(len(tested.lines), 2) - len(tested.pairs)
    if untested:
        notes.append(f"Not tested, for they have no seed in common: {untested} pairs.")
    return notes


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _shares(tested: PairedTests, pair: Pair) -> Row:
    found = tested.practical.get((pair.first, pair.second))
    return dict(zip(_SHARES, (None, None, None) if found is None else found, strict=True))


def _test(tested: PairedTests, pair: Pair) -> str:
    if tested.test != DECISIONS:
        return tested.test
    return "mcnemar" if pair.seeds == 1 else "seeds-by-images"


def _rows(tested: PairedTests) -> list[Row]:
    track, category = tested.board.track, tested.board.category
    about = {"dataset": track.dataset, "image_size": track.image_size, "oracle": track.oracle, "category": category}
    about |= named(track.protocol)
    about |= {"metric": tested.metric, "n": tested.n}
    full = spellings(line.method for line in tested.lines.values())
    names = {name: full[line.method] for name, line in tested.lines.items()}
    rows: list[Row] = [
        {
            "test": _test(tested, pair),
            **about,
            **vars(pair),
            "first": names[pair.first],
            "second": names[pair.second],
            "seeds": None if category is None else pair.seeds,
            "critical_difference": None,
            "iman_davenport": None,
            "told_apart": pair.p_holm < ALPHA,
            **_shares(tested, pair),
        }
        for pair in tested.pairs
    ]
    for pair in tested.pairs if tested.critical else ():
        assert tested.critical is not None
        ahead = tested.critical.ranks[pair.second] - tested.critical.ranks[pair.first]
        distance = tested.critical.distance
        rows.append(
            {
                "test": "nemenyi",
                **about,
                **vars(pair),
                "first": names[pair.first],
                "second": names[pair.second],
                "difference": ahead,
                "p": tested.critical.p,
                "p_holm": None,
                "seeds": None,
                "critical_difference": distance,
                "iman_davenport": tested.critical.iman_davenport,
                "told_apart": abs(ahead) >= distance,
                **dict.fromkeys(_SHARES),
            }
        )
    return [{name: row[name] for name in COLUMNS} for row in rows]
